"""ShuffleNetV2 for small images, with channel splits and shuffles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from kd_core.base.options import choice
from kd_core.models import Model
from kd_core.models._layers import (
    ChannelConcat,
    conv_bn,
    nearest_choice,
    sequential_cnn,
    stage_layers,
    unsupported_image_reason,
)

STEM = 24
BLOCKS = (4, 8, 4)
FILTERS = {  # of the three stages and the last layer, by width multiplier (the paper, table 5)
    "0.5": (48, 96, 192, 1024),
    "1": (116, 232, 464, 1024),
    "1.5": (176, 352, 704, 1024),
    "2": (244, 488, 976, 2048),
}


class ChannelSplit(nn.Module):
    """Channel split that passes the second half of the maps (B, C, H, W) through ``body``."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, features: Tensor) -> Tensor:
        first, second = features.chunk(2, 1)
        return torch.cat([first, self.body(second)], 1)


def branch(before: int, after: int, stride: int) -> nn.Module:
    """Build 1 × 1, depthwise 3 × 3 and 1 × 1 convolutions of one width."""
    return nn.Sequential(
        *(*conv_bn(before, after), nn.ReLU()),
        *conv_bn(after, after, 3, stride, groups=after),
        *(*conv_bn(after, after), nn.ReLU()),
    )


def halving(before: int, after: int) -> nn.Module:
    """Build a block that computes both halves from all maps at half the resolution."""
    half = after // 2
    shortcut = [*conv_bn(before, before, 3, 2, groups=before), *conv_bn(before, half), nn.ReLU()]
    return ChannelConcat(nn.Sequential(*shortcut), branch(before, half, 2))


@dataclass(frozen=True)
class ShufflenetV2(Model):
    """ShuffleNet V2 of Ma et al. (2018), table 5 and figure 3, with a 1 × 1 stem that does not halve the image.

    As in the common CIFAR-100 benchmark (Tian et al., "Contrastive Representation Distillation", 2020).
    """

    title: ClassVar[str] = "ShuffleNetV2"
    summary: ClassVar[str] = (
        "Half of the maps pass each block unchanged: designed for measured speed, not for few FLOPs."
    )
    family: ClassVar[str] = "mobile"

    multiplier: str = choice("1", tuple(FILTERS), "Width multiplier: 1 is 116 filters in the first stage, 464 at last.")

    def unsupported_reason(self, shape: tuple[int, ...]) -> str:
        return unsupported_image_reason(shape, 5)

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        channels = STEM
        *filters, last = FILTERS[self.multiplier]
        stages: dict[str, list[nn.Module]] = {"stem": [*conv_bn(shape[0], STEM), nn.ReLU()]}
        for number, (after, count) in enumerate(zip(filters, BLOCKS, strict=True), start=1):
            stages[f"stage{number}"] = [halving(channels, after), nn.ChannelShuffle(2)]
            for _ in range(count - 1):
                stages[f"stage{number}"] += [ChannelSplit(branch(after // 2, after // 2, 1)), nn.ChannelShuffle(2)]
            channels = after
        stages["last"] = [*conv_bn(channels, last), nn.ReLU()]
        return sequential_cnn(stages, last, classes)

    def feature_layers(self) -> dict[str, str]:
        return stage_layers(len(BLOCKS))

    def scaled(self, factor: float) -> Self:
        return self.with_values(multiplier=nearest_choice(float(self.multiplier) * factor, tuple(FILTERS)))

    def label(self) -> str:
        return "ShuffleNetV2" + (f" {self.multiplier}" if self.multiplier != "1" else "")
