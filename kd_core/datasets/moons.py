"""Two interleaving half circles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from kd_core.datasets._points import Points


@dataclass(frozen=True)
class Moons(Points):
    title: ClassVar[str] = "Two moons"
    summary: ClassVar[str] = "Two interleaving half circles: the boundary must bend twice."

    def sample(self, count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        classes = random.integers(0, 2, count)
        angle = random.uniform(0, np.pi, count) + np.pi * classes
        centre = np.where(classes[:, None] == 0, [-0.5, -0.25], [0.5, 0.25])
        points = centre + np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return points + random.normal(0, self.noise, points.shape), classes
