"""Two concentric circles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from kd_core.datasets._points import Points


@dataclass(frozen=True)
class Circles(Points):
    title: ClassVar[str] = "Circles"
    summary: ClassVar[str] = "One class surrounds the other: no straight line separates them."

    def sample(self, count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        classes = random.integers(0, 2, count)
        angle = random.uniform(0, 2 * np.pi, count)
        radius = np.where(classes == 0, 1.4, 0.7)[:, None]
        points = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return points + random.normal(0, self.noise, points.shape), classes
