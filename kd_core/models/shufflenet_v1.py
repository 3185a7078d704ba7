"""ShuffleNetV1 for small images, with grouped 1 × 1 convolutions and channel shuffles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from torch import nn

from kd_core.base.options import choice
from kd_core.models import Model
from kd_core.models._layers import (
    ChannelConcat,
    Residual,
    conv_bn,
    nearest_choice,
    sequential_cnn,
    stage_layers,
    unsupported_image_reason,
)

STEM, GROUPS = 24, 3
STAGES = ((240, 4), (480, 8), (960, 4))  # filters for three groups, blocks
MULTIPLIERS = ("0.25", "0.5", "1", "1.5", "2")


def block(before: int, after: int, stride: int) -> list[nn.Module]:
    """Build a grouped bottleneck with channel shuffle; with stride 2 the pooled input is concatenated."""
    new = after - before if stride == 2 else after
    groups = 1 if before == STEM else GROUPS  # too few maps for groups (the paper, section 3.2)
    middle = new // 4
    body = nn.Sequential(
        *(*conv_bn(before, middle, groups=groups), nn.ReLU(), nn.ChannelShuffle(groups)),
        *(*conv_bn(middle, middle, 3, stride, groups=middle), nn.ReLU()),
        *conv_bn(middle, new, groups=GROUPS),
    )
    return [ChannelConcat(body, nn.AvgPool2d(3, 2, 1)) if stride == 2 else Residual(body), nn.ReLU()]


@dataclass(frozen=True)
class ShufflenetV1(Model):
    """ShuffleNet of Zhang et al. (2018), table 1, with three groups and a 1 × 1 stem that does not halve the image.

    As in the common CIFAR-100 benchmark (Tian et al., "Contrastive Representation Distillation", 2020).
    """

    title: ClassVar[str] = "ShuffleNetV1"
    summary: ClassVar[str] = (
        "Grouped convolutions cost a third; channel shuffles exchange information between the groups."
    )
    family: ClassVar[str] = "mobile"

    multiplier: str = choice("1", MULTIPLIERS, "Width multiplier: 1 is 240 filters in the first stage and 960 at last.")

    def unsupported_reason(self, shape: tuple[int, ...]) -> str:
        return unsupported_image_reason(shape, 5)

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        channels = STEM
        stages = {"stem": [*conv_bn(shape[0], STEM), nn.ReLU()]}
        for number, (filters, count) in enumerate(STAGES, start=1):
            after = round(filters * float(self.multiplier))
            stages[f"stage{number}"] = []
            for index in range(count):
                stages[f"stage{number}"] += block(channels, after, 2 if index == 0 else 1)
                channels = after
        return sequential_cnn(stages, channels, classes)

    def feature_layers(self) -> dict[str, str]:
        return stage_layers(len(STAGES))

    def scaled(self, factor: float) -> Self:
        return self.with_values(multiplier=nearest_choice(float(self.multiplier) * factor, MULTIPLIERS))

    def label(self) -> str:
        return "ShuffleNetV1" + (f" {self.multiplier}" if self.multiplier != "1" else "")
