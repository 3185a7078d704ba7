"""Scenes with one to four shapes, drawn at random, and the boxes around them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from kd_core.base.options import integer, number
from kd_core.base.seeds import derive_seed
from kd_core.datasets import Data, Dataset, Split, standardise
from kd_core.tasks import Task
from kd_core.tasks._boxes import CELL_PIXELS, assign
from kd_core.tasks.detection import BACKGROUND, Detection

SIDE = 48  # pixels along each side of an image
GRID = SIDE // CELL_PIXELS  # cells along each side
SHAPES = ("circle", "square", "triangle", "ring")
MOST = 4  # shapes in a scene
SMALLEST, LARGEST = 5.0, 11.0  # half the height of a shape, pixels
VISIBLE = 0.6  # fraction of a shape that others may not cover
HELD_OUT = 400  # scenes in each of validation and test split
TRIES = 20  # places that are tried for a shape
ROWS, COLUMNS = np.arange(SIDE)[:, None], np.arange(SIDE)[None]  # coordinates of the pixels, y and x


@dataclass(frozen=True)
class Shapes(Dataset):
    title: ClassVar[str] = "Shapes in a scene"
    summary: ClassVar[str] = "Circles, squares, triangles and rings that cover each other, in noise, to be found."
    family: ClassVar[str] = "detection"
    source: ClassVar[str] = "drawn here"
    licence: ClassVar[str] = "none needed"
    # Seeds 0 to 4: baseline 28.9 % AP50, student 74.8 % (+34.6 to +57.2 points).
    recommended: ClassVar[Mapping[str, str]] = {
        "teacher": "detector", "teacher_width": "16", "student": "detector", "student_width": "8",
        "scheme": "unlabelled", "labelled": "50",
        "method": "localisation", "label_weight": "0.1", "soft_weight": "0.9", "temperature": "1",
        "box_temperature": "2",
        "epochs": "5", "batch_size": "16", "learning_rate": "0.01", "schedule": "one-cycle",
        "teacher_epochs": "20", "teacher_batch_size": "32", "teacher_learning_rate": "0.006",
        "teacher_schedule": "one-cycle",
    }  # fmt: skip

    count: int = integer(1600, 100, 20_000, "Scenes of the training split.", step=100, label="Training images")
    noise: float = number(0.1, 0.0, 1.0, "Standard deviation of the pixel noise; 1 is from black to white.", step=0.05)
    draw: int = integer(0, 0, 9999, "Seed of the scenes; another number gives other scenes.", label="Draw of scenes")

    @property
    def task(self) -> Task:
        return Detection()

    @property
    def loaded_bytes(self) -> int:
        return 4 * SIDE**2 * (self.count + 2 * HELD_OUT)

    def load(self) -> Data:
        """Return grey scenes (N, 1, 48, 48), standardised by the training split, with labels (N, 144, 5)."""
        counts = {"train": self.count, "validation": HELD_OUT, "test": HELD_OUT}
        splits = {part: self._scenes(part, count) for part, count in counts.items()}
        pixels = splits["train"][0].double() / 255
        mean, std = (pixels.mean().item(),), (pixels.std().item(),)
        train, validation, test = (Split(standardise(images, mean, std), labels) for images, labels in splits.values())
        return Data(train, validation, test, (*SHAPES, BACKGROUND), mean, std, task=self.task)

    def _scenes(self, part: str, count: int) -> tuple[Tensor, Tensor]:
        random = np.random.default_rng(derive_seed(self.draw, "shapes", part))
        images = np.empty((count, 1, SIDE, SIDE), np.uint8)
        labels = torch.empty(count, GRID**2, 5)
        for index in range(count):
            picture, boxes, classes = _scene(random)
            noisy = picture + random.normal(0, self.noise, picture.shape)
            images[index, 0] = (noisy * 255).round().clip(0, 255)
            labels[index] = assign(boxes, classes, GRID**2, len(SHAPES))
        return torch.from_numpy(images), labels


def _scene(random: np.random.Generator) -> tuple[np.ndarray, Tensor, Tensor]:
    """Return a scene (SIDE, SIDE) of grey values with the boxes (n, 4) and classes (n,) of its shapes.

    A later shape covers earlier ones, of each at most 1 - :data:`VISIBLE`. A box goes around the whole shape.
    """
    # Two gradients and a few stripes, so that the background is no plain grey.
    y, x = ROWS / SIDE, COLUMNS / SIDE
    picture = random.uniform(0.2, 0.5) + random.uniform(-0.15, 0.15) * x + random.uniform(-0.15, 0.15) * y
    boxes: list[list[int]] = []
    classes: list[int] = []
    masks: list[tuple[np.ndarray, int]] = []
    for _ in range(random.integers(1, MOST + 1)):
        for _ in range(TRIES):
            number, radius = int(random.integers(len(SHAPES))), random.uniform(SMALLEST, LARGEST)
            middle = random.uniform(radius + 0.5, SIDE - radius - 0.5, 2)
            mask = _mask(SHAPES[number], radius, *middle)
            if all((other & ~mask).sum() >= VISIBLE * whole for other, whole in masks):
                break
        else:
            continue
        ink = picture.mean() + random.choice([-1, 1], p=[0.25, 0.75]) * random.uniform(0.2, 0.45)
        picture[mask] = 0.15 * picture[mask] + 0.85 * ink
        masks = [(other & ~mask, whole) for other, whole in masks] + [(mask, mask.sum())]
        rows, columns = np.nonzero(mask)
        boxes.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        classes.append(number)
    return picture, torch.tensor(np.array(boxes), dtype=torch.float32) / SIDE, torch.tensor(classes)


def _mask(shape: str, radius: float, middle_x: float, middle_y: float) -> np.ndarray:
    """Return which pixels (SIDE, SIDE) a shape covers."""
    x, y = COLUMNS + 0.5 - middle_x, ROWS + 0.5 - middle_y
    if shape == "square":
        return np.asarray(np.maximum(abs(x), abs(y)) < 0.9 * radius)
    if shape == "triangle":
        return np.asarray((abs(y) < 0.9 * radius) & (abs(x) < 0.55 * (y + 0.9 * radius)))
    distance = np.hypot(x, y)
    return np.asarray((distance < radius) & (distance > 0.55 * radius) if shape == "ring" else distance < radius)
