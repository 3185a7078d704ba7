"""Base class of 2-D point sets."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from kd_core.base.options import integer, number
from kd_core.datasets import Data, Dataset, Split

TRAIN, VALIDATION, TEST = 1000, 500, 2000


@dataclass(frozen=True)
class Points(Dataset):
    family: ClassVar[str] = "points"
    source: ClassVar[str] = "drawn from a formula"
    licence: ClassVar[str] = "none needed"
    recommended: ClassVar[Mapping[str, str]] = {
        "teacher": "mlp",
        "teacher_widths": "64-64",
        "teacher_epochs": "30",
        "student": "mlp",
        "student_widths": "16-16",
        "labelled": "60",
        "wrong": "0.2",
        "epochs": "100",
        "batch_size": "16",
    }

    noise: float = number(
        0.2, 0.0, 1.0, "Spread of the points around their shape; the classes overlap more.", step=0.01
    )
    draw: int = integer(0, 0, 9999, "Seed of the points; another number gives other points.", label="Draw of points")

    @abstractmethod
    def sample(self, count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw ``count`` points (N, 2) and their classes (N,)."""

    def names(self) -> tuple[str, ...]:
        """Return the names of the classes."""
        return ("A", "B")

    def load(self) -> Data:
        """Draw 1,000 train, 500 validation and 2,000 test points, all with their true class."""
        random = np.random.default_rng([self.draw, *self.name.encode()])
        points, classes = self.sample(TRAIN + VALIDATION + TEST, random)
        order = random.permutation(len(classes))
        inputs = torch.from_numpy(points[order]).float()
        labels = torch.from_numpy(classes[order]).long()
        parts = torch.split(torch.arange(len(labels)), [TRAIN, VALIDATION, TEST])
        train, validation, test = (Split(inputs[rows], labels[rows]) for rows in parts)
        return Data(train, validation, test, self.names())
