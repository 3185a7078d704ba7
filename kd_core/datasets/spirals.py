"""Spirals around a common centre."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from kd_core.base.options import integer, number
from kd_core.datasets._points import Points


@dataclass(frozen=True)
class Spirals(Points):
    title: ClassVar[str] = "Spirals"
    summary: ClassVar[str] = "Arms that wind around the centre: hard for a small network."

    noise: float = number(0.08, 0.0, 1.0, "Spread of the points around their arm.", step=0.01)
    arms: int = integer(2, 2, 5, "Number of arms, one class each.")
    turns: float = number(1.25, 0.25, 3.0, "Turns of each arm around the centre.", step=0.25)

    def names(self) -> tuple[str, ...]:
        return tuple("ABCDE"[: self.arms])

    def sample(self, count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        classes = random.integers(0, self.arms, count)
        # The square root spreads the points evenly over the plane rather than crowding the centre.
        along = np.sqrt(random.uniform(0.02, 1, count))
        angle = 2 * np.pi * (self.turns * along + classes / self.arms)
        points = 1.6 * along[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return points + random.normal(0, self.noise, points.shape), classes
