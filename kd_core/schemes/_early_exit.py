"""Early exit of a network, the layers from one of its stages to logits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from kd_core.models import Model

POOLED = 4  # side of the pooled maps


@dataclass(frozen=True)
class EarlyExit(Model):
    title: ClassVar[str] = "Exit"
    summary: ClassVar[str] = "Pooled feature maps and one linear layer."
    family: ClassVar[str] = "part"

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        if len(shape) == 1:
            return nn.Linear(shape[0], classes)
        side = min(POOLED, *shape[1:])
        width = shape[0] * side * side
        return nn.Sequential(nn.AdaptiveAvgPool2d(side), nn.Flatten(), nn.Linear(math.ceil(width), classes))

    def label(self) -> str:
        return "exit"
