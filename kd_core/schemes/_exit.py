"""What leaves a network early: the layers between one of its stages and an answer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from kd_core.models import Model

SUMMARY = 4  # places along each side that are kept of a map


@dataclass(frozen=True)
class EarlyExit(Model):
    title: ClassVar[str] = "Exit"
    summary: ClassVar[str] = "A summary of the maps and one linear layer."
    family: ClassVar[str] = "part"

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        if len(shape) == 1:
            return nn.Linear(shape[0], classes)
        side = min(SUMMARY, *shape[1:])
        width = shape[0] * side * side
        return nn.Sequential(nn.AdaptiveAvgPool2d(side), nn.Flatten(), nn.Linear(math.ceil(width), classes))

    def label(self) -> str:
        return "exit"
