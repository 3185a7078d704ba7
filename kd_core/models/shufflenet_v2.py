"""ShuffleNetV2: half of the maps pass untouched, half are worked on, and then all are shuffled."""

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
FILTERS = {  # of the three stages and of the last layer, by width multiplier: the paper, table 5
    "0.5": (48, 96, 192, 1024),
    "1": (116, 232, 464, 1024),
    "1.5": (176, 352, 704, 1024),
    "2": (244, 488, 976, 2048),
}


class ChannelSplit(nn.Module):
    """The first half of the maps (B, C, H, W) as they are, the second half as ``body`` makes them."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, features: Tensor) -> Tensor:
        kept, worked = features.chunk(2, 1)
        return torch.cat([kept, self.body(worked)], 1)


def branch(before: int, after: int, stride: int) -> nn.Module:
    """1 × 1, 3 × 3 on each map alone, 1 × 1: no groups, and as wide inside as at its end."""
    return nn.Sequential(
        *(*conv_bn(before, after), nn.ReLU()),
        *conv_bn(after, after, 3, stride, groups=after),
        *(*conv_bn(after, after), nn.ReLU()),
    )


def halving(before: int, after: int) -> nn.Module:
    """Both halves are made anew from all maps, at half the resolution."""
    half = after // 2
    plain = [*conv_bn(before, before, 3, 2, groups=before), *conv_bn(before, half), nn.ReLU()]
    return ChannelConcat(nn.Sequential(*plain), branch(before, half, 2))


@dataclass(frozen=True)
class ShufflenetV2(Model):
    """Ma et al., "ShuffleNet V2" (2018), table 5 and figure 3, with a 1 × 1 stem that halves nothing.

    As in the usual CIFAR-100 benchmark (Tian et al., "Contrastive Representation Distillation", 2020).
    """

    title: ClassVar[str] = "ShuffleNetV2"
    summary: ClassVar[str] = (
        "Half of the maps pass each block untouched: built for the clock, not for the count of FLOPs."
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
