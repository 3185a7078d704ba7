"""Wide ResNet for small images, normalised before each convolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from torch import nn

from kd_core.base.options import choice, integer
from kd_core.models import Model
from kd_core.models._layers import (
    Residual,
    convolution,
    scale_depth_and_width,
    sequential_cnn,
    stage_layers,
    unsupported_image_reason,
)

DEPTHS = ("10", "16", "22", "28", "40")
FILTERS = (16, 32, 64)


def block(before: int, after: int, stride: int) -> nn.Module:
    """Build a pre-activation block; its first batch norm is shared with a shortcut that is a convolution."""
    first = [nn.BatchNorm2d(before), nn.ReLU()]
    rest = [convolution(before, after, 3, stride), nn.BatchNorm2d(after), nn.ReLU(), convolution(after, after, 3)]
    if before == after and stride == 1:
        return Residual(nn.Sequential(*first, *rest))
    return nn.Sequential(*first, Residual(nn.Sequential(*rest), convolution(before, after, 1, stride)))


@dataclass(frozen=True)
class WideResnet(Model):
    """Wide ResNet of Zagoruyko & Komodakis (2016), table 1, without dropout.

    The named layers are the sums at the end of the stages, as in the common CIFAR-100 benchmark; the last one is
    normalised afterwards.
    """

    title: ClassVar[str] = "Wide ResNet"
    summary: ClassVar[str] = "A residual network with more filters and fewer layers, which trains faster."
    family: ClassVar[str] = "residual"

    depth: str = choice("16", DEPTHS, "Layers with weights: two in every block, and four more.")
    widening: int = integer(1, 1, 10, "How many times as many filters as 16, 32 and 64: the second number of WRN-16-2.")

    def unsupported_reason(self, shape: tuple[int, ...]) -> str:
        return unsupported_image_reason(shape, 3)

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        channels = FILTERS[0]
        stages: dict[str, list[nn.Module]] = {"stem": [convolution(shape[0], channels, 3)]}
        for number, filters in enumerate(FILTERS, start=1):
            stages[f"stage{number}"] = []
            for index in range((int(self.depth) - 4) // 6):
                stride = 2 if number > 1 and index == 0 else 1
                stages[f"stage{number}"].append(block(channels, filters * self.widening, stride))
                channels = filters * self.widening
        stages["last"] = [nn.BatchNorm2d(channels), nn.ReLU()]
        return sequential_cnn(stages, channels, classes)

    def feature_layers(self) -> dict[str, str]:
        return stage_layers(len(FILTERS))

    def scaled(self, factor: float) -> Self:
        depth, widening = scale_depth_and_width(self.depth, self.widening, factor, DEPTHS)
        return self.with_values(depth=depth, widening=widening)

    def label(self) -> str:
        return f"WRN-{self.depth}-{self.widening}"
