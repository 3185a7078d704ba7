"""ResNet for small images with three stages of equally many blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import nn

from kd_core.base.options import choice, integer
from kd_core.models import Model
from kd_core.models._layers import (
    Residual,
    conv_bn,
    resnet_names,
    scale_depth_and_width,
    sequential_cnn,
    stage_layers,
    unsupported_image_reason,
)

DEPTHS = ("8", "14", "20", "32", "44", "56", "110")
FILTERS = (16, 32, 64)


def block(before: int, after: int, stride: int) -> list[nn.Module]:
    """Build two 3 × 3 convolutions and a shortcut, which is a 1 × 1 convolution where the shape changes."""
    body = [*conv_bn(before, after, 3, stride), nn.ReLU(), *conv_bn(after, after, 3)]
    shortcut = conv_bn(before, after, 1, stride) if before != after or stride != 1 else []
    return [Residual(nn.Sequential(*body), nn.Sequential(*shortcut)), nn.ReLU()]


@dataclass(frozen=True)
class Resnet(Model):
    """ResNet of He et al., "Deep Residual Learning for Image Recognition" (2016), section 4.2, with B shortcuts.

    The variants are those of the common CIFAR-100 benchmark (Tian et al., "Contrastive Representation Distillation",
    2020): 8×4 and 32×4 have four times as many filters, and twice as many in the stem.
    """

    title: ClassVar[str] = "ResNet"
    summary: ClassVar[str] = "Blocks that learn a residual of their input, so that very deep networks can be trained."
    family: ClassVar[str] = "residual"

    depth: str = choice("8", DEPTHS, "Layers with weights: two in every block, and the first and the last.")
    widening: int = integer(1, 1, 8, "How many times as many filters as 16, 32 and 64; 4 makes ResNet 8×4 and 32×4.")

    def unsupported_reason(self, shape: tuple[int, ...]) -> str:
        return unsupported_image_reason(shape, 3)

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        channels = FILTERS[0] * min(self.widening, 2)
        stages = {"stem": [*conv_bn(shape[0], channels, 3), nn.ReLU()]}
        for number, filters in enumerate(FILTERS, start=1):
            stages[f"stage{number}"] = []
            for index in range((int(self.depth) - 2) // 6):
                stride = 2 if number > 1 and index == 0 else 1
                stages[f"stage{number}"] += block(channels, filters * self.widening, stride)
                channels = filters * self.widening
        return sequential_cnn(stages, channels, classes)

    def foreign_names(self, shape: tuple[int, ...], classes: int) -> Sequence[Mapping[str, str]]:
        with torch.device("meta"):
            return resnet_names(self.build(shape, classes).state_dict())

    def feature_layers(self) -> dict[str, str]:
        return stage_layers(len(FILTERS))

    def scaled(self, factor: float) -> Self:
        depth, widening = scale_depth_and_width(self.depth, self.widening, factor, DEPTHS)
        return self.with_values(depth=depth, widening=widening)

    def label(self) -> str:
        return f"ResNet-{self.depth}" if self.widening == 1 else f"ResNet {self.depth}×{self.widening}"
