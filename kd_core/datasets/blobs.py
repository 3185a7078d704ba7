"""Overlapping Gaussian clouds on a circle."""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from kd_core.base.options import integer, number
from kd_core.datasets._points import Points


@dataclass(frozen=True)
class Blobs(Points):
    title: ClassVar[str] = "Blobs"
    summary: ClassVar[str] = "Gaussian clouds on a circle that overlap: between them, no label is certain."

    noise: float = number(0.45, 0.0, 1.0, "Standard deviation of each cloud.", step=0.01)
    clouds: int = integer(4, 2, 100, "Number of clouds, one class each.")

    def names(self) -> tuple[str, ...]:
        letters = string.ascii_uppercase
        return tuple(letters[: self.clouds] if self.clouds <= len(letters) else map(str, range(1, self.clouds + 1)))

    def sample(self, count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        classes = random.integers(0, self.clouds, count)
        angle = 2 * np.pi * classes / self.clouds
        centres = 1.1 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return centres + random.normal(0, self.noise, centres.shape), classes
