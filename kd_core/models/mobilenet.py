"""MobileNetV2 for small images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from torch import nn

from kd_core.base.options import integer, number
from kd_core.models import Model
from kd_core.models._layers import Residual, conv_bn, sequential_cnn, stage_layers, unsupported_image_reason

STEM, LAST = 32, 1280
# Filters, blocks and stride of the first block, by stage. The very first block has expansion 1.
STAGES = (
    ((16, 1, 1), (24, 2, 1)),
    ((32, 3, 2),),
    ((64, 4, 2), (96, 3, 1)),
    ((160, 3, 2), (320, 1, 1)),
)


def inverted(before: int, after: int, stride: int, expansion: int) -> nn.Module:
    """Build an inverted residual of 1 × 1, depthwise 3 × 3 and 1 × 1 convolutions, with a shortcut if shapes allow."""
    middle = before * expansion
    body = nn.Sequential(
        *(*conv_bn(before, middle), nn.ReLU()),
        *(*conv_bn(middle, middle, 3, stride, groups=middle), nn.ReLU()),
        *conv_bn(middle, after),
    )
    return Residual(body) if before == after and stride == 1 else body


@dataclass(frozen=True)
class Mobilenet(Model):
    """MobileNetV2 of Sandler et al. (2018), table 2, in the form of the common CIFAR-100 benchmark.

    That is width 0.5 and expansion 6 (Tian et al., "Contrastive Representation Distillation", 2020): the stride of the
    stage of 24 filters is 1, the first block keeps its 1 × 1 convolution, ReLU is not cut at 6.
    """

    title: ClassVar[str] = "MobileNetV2"
    summary: ClassVar[str] = "Depthwise 3 × 3 convolutions mixed by 1 × 1 convolutions, designed for mobile devices."
    family: ClassVar[str] = "mobile"

    multiplier: float = number(0.5, 0.25, 2, "Width multiplier: 1 is 32 filters first and 320 last.", step=0.05)
    expansion: int = integer(6, 1, 10, "How many times wider a block is inside than outside.")

    def unsupported_reason(self, shape: tuple[int, ...]) -> str:
        return unsupported_image_reason(shape, 9)

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        channels = self._width(STEM)
        stages = {"stem": [*conv_bn(shape[0], channels, 3, 2), nn.ReLU()]}
        for stage, parts in enumerate(STAGES, start=1):
            stages[f"stage{stage}"] = []
            for filters, count, stride in parts:
                for block in range(count):
                    expansion = 1 if filters == STAGES[0][0][0] else self.expansion
                    stages[f"stage{stage}"].append(
                        inverted(channels, self._width(filters), stride if block == 0 else 1, expansion)
                    )
                    channels = self._width(filters)
        last = round(LAST * max(1.0, self.multiplier))  # never narrower (the paper, section 6.1)
        stages["last"] = [*conv_bn(channels, last), nn.ReLU()]
        return sequential_cnn(stages, last, classes)

    def _width(self, filters: int) -> int:
        return int(filters * self.multiplier)

    def feature_layers(self) -> dict[str, str]:
        return stage_layers(len(STAGES))

    def scaled(self, factor: float) -> Self:
        return self.with_values(multiplier=max(0.25, self.multiplier * factor))

    def label(self) -> str:
        return f"MobileNetV2 {self.multiplier:.3g}" + (f"×{self.expansion}" if self.expansion != 6 else "")
