"""Scenes of overlapping shapes and letters with noise, in which every pixel has a class."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from kd_core.base.options import choice, integer, number
from kd_core.base.seeds import generator
from kd_core.datasets import Data, Dataset, Split, standardise
from kd_core.datasets._font_rendering import fields, has_fonts
from kd_core.files.uploads.decode import moments
from kd_core.tasks import Task
from kd_core.tasks.segmentation import Segmentation

CLASSES = ("background", "disc", "square", "triangle", "cross", "letter")
LETTERS = "AEHR"
VALIDATION, TEST = 40, 200  # images
LEAST, MOST = 2, 4  # objects in a scene
# In halves of an image's side.
SIZE = (0.42, 0.62)  # radius of a disc; other shapes are about as large
REACH = 0.62  # largest distance of an object's centre from that of the image, in each direction
STRIPE = 0.09  # half the width of the stripes in the background
GROUND, CHANGE = (0.3, 0.6), 0.1  # grey of the background, and its change from one side to the other
HUES = 0.05  # standard deviation of the hue within a class, as a fraction of the circle of colours
BRIGHTNESS, SATURATION = (0.55, 0.95), (0.35, 0.9)
STRIPES, GRAIN = 0.2, 0.2  # contrast of the stripes and standard deviation of the grain, at noise 1


@dataclass(frozen=True)
class Scenes(Dataset):
    title: ClassVar[str] = "Scenes"
    summary: ClassVar[str] = "Overlapping discs, squares, triangles, crosses and letters; every pixel has a class."
    family: ClassVar[str] = "scenes"
    source: ClassVar[str] = "drawn here; the letters are those of Aileron Regular (Sora Sagano), Pillow's font"
    licence: ClassVar[str] = "none needed; the font says “No Rights Reserved”"
    recommended: ClassVar[Mapping[str, str]] = {
        "teacher": "unet", "teacher_width": "16", "teacher_epochs": "14", "teacher_batch_size": "16",
        "teacher_learning_rate": "0.01", "teacher_schedule": "cosine",
        "student": "unet", "student_width": "4", "method": "channel_wise", "labelled": "20", "epochs": "100",
        "batch_size": "5", "learning_rate": "0.01", "schedule": "cosine",
    }  # fmt: skip

    count: int = integer(
        500, 20, 20_000, "Images of the training split; a larger number adds images and changes none.", step=100,
        label="Training images",
    )  # fmt: skip
    pixels: str = choice("32", ("32", "48", "64"), "Height and width of an image.")
    noise: float = number(
        0.3, 0.0, 2.0, "Grain on every pixel, and stripes in the background that belong to no object.", step=0.1
    )
    draw: int = integer(0, 0, 9999, "Seed of the images; another number gives other images.", label="Draw of images")

    @property
    def task(self) -> Task:
        return Segmentation()

    @property
    def loaded_bytes(self) -> int:
        return 20 * int(self.pixels) ** 2 * (self.count + VALIDATION + TEST)

    def load(self) -> Data:
        """Draw ``count`` training, 40 validation and 200 test images (3, H, W) with masks (H, W).

        Raises ValueError where Pillow was built without FreeType, which draws the letters.
        """
        if not has_fonts():
            raise ValueError("Drawing letters needs Pillow with FreeType: install Pillow with pip, as it is there.")
        tiles = fields(LETTERS)
        counts = {"train": self.count, "validation": VALIDATION, "test": TEST}
        drawn = {
            part: [self._scene(generator(self.draw, "scenes", part, index), tiles) for index in range(count)]
            for part, count in counts.items()
        }
        images = {part: torch.stack([image for image, _ in scenes]) for part, scenes in drawn.items()}
        mean, std = moments(images["train"][: min(self.count, 200)])
        train, validation, test = (
            Split(standardise(images[part], mean, std), torch.stack([mask for _, mask in scenes]))
            for part, scenes in drawn.items()
        )
        return Data(train, validation, test, CLASSES, mean, std, task=self.task)

    def _scene(self, random: torch.Generator, tiles: Tensor) -> tuple[Tensor, Tensor]:
        """Draw one image (3, H, W) of bytes and its mask (H, W); each has a random stream of its own."""
        side = int(self.pixels)
        objects = int(torch.randint(LEAST, MOST + 1, (), generator=random))
        hues = (HUES * torch.randn(objects, generator=random)).tolist()
        kinds = torch.randint(1, len(CLASSES), (objects,), generator=random).tolist()
        numbers = torch.rand(objects + 1, 8, generator=random).tolist()
        grain = torch.randn(3, side, side, generator=random)
        axis = (torch.arange(side) + 0.5) * (2 / side) - 1
        x, y = axis.expand(side, side), axis[:, None].expand(side, side)
        grey, turn, phase, across, down, *_ = numbers[0]
        ground = _between(GROUND, grey) + CHANGE * ((across - 0.5) * x + (down - 0.5) * y)
        waves = (x * _cos(turn) + y * _sin(turn)) * (torch.pi / STRIPE / 4) + 2 * torch.pi * phase
        image = (ground + (self.noise * STRIPES) * (waves.sin() > 0.7)).expand(3, side, side)
        mask = torch.zeros(side, side, dtype=torch.long)
        for kind, shift, of_object in zip(kinds, hues, numbers[1:], strict=True):
            across, down, size, turn, letter, bright, full, _ = of_object
            radius, lean = _between(SIZE, size), 0.32 * (turn - 0.5)  # up to half a radian to either side
            u, v = (x - REACH * (2 * across - 1)) / radius, (y - REACH * (2 * down - 1)) / radius
            u, v = u * _cos(lean) + v * _sin(lean), v * _cos(lean) - u * _sin(lean)
            depth = _depth(CLASSES[kind], u, v, tiles[int(letter * len(LETTERS))]) * radius * (side / 2)  # in pixels
            cover = (depth + 0.5).clamp(0, 1)
            hue = (kind / (len(CLASSES) - 1) + shift) % 1
            paint = colorsys.hsv_to_rgb(hue, _between(SATURATION, full), _between(BRIGHTNESS, bright))
            image = image * (1 - cover) + torch.tensor(paint)[:, None, None] * cover
            mask[depth > 0] = kind
        pixels = (image + (self.noise * GRAIN) * grain).clamp(0, 1)
        return (pixels * 255).round().to(torch.uint8), mask


def _between(ends: tuple[float, float], fraction: float) -> float:
    return ends[0] + fraction * (ends[1] - ends[0])


def _cos(turns: float) -> float:
    return float(torch.tensor(turns * torch.pi, dtype=torch.float64).cos())


def _sin(turns: float) -> float:
    return float(torch.tensor(turns * torch.pi, dtype=torch.float64).sin())


def _depth(name: str, u: Tensor, v: Tensor, letter: Tensor) -> Tensor:
    """Return how far inside of an object the points (u, v) are, negative outside, in radii of a disc."""
    if name == "disc":
        return 1 - (u * u + v * v).sqrt()
    if name == "square":
        return 0.88 - torch.maximum(u.abs(), v.abs())
    if name == "triangle":
        return torch.minimum(0.8 - v, 0.5 * v + 0.55 - 0.9 * u.abs())
    if name == "cross":
        wide = torch.minimum(1.05 - u.abs(), 0.36 - v.abs())
        return torch.maximum(wide, torch.minimum(1.05 - v.abs(), 0.36 - u.abs()))
    places = torch.stack([u, v], -1)[None] * 0.52  # a letter is twice as high as a disc's radius
    field = F.grid_sample(letter[None], places, mode="bilinear", padding_mode="border", align_corners=False)[0, 0]
    return field * 2 + 0.12  # bolder, so that a stroke is more than two pixels wide
