"""ResNet of ImageNet, with a first layer for small images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import nn

from kd_core.base.options import choice
from kd_core.models import Model
from kd_core.models._layers import (
    Residual,
    conv_bn,
    nearest_choice,
    resnet_names,
    sequential_cnn,
    stage_layers,
    unsupported_image_reason,
)
from kd_core.models.resnet import block

BLOCKS = {"18": (2, 2, 2, 2), "34": (3, 4, 6, 3), "50": (3, 4, 6, 3), "101": (3, 4, 23, 3)}
FILTERS = (64, 128, 256, 512)
EXPANSION = 4  # of a bottleneck, output width over inner width
BOTTLENECKS = ("50", "101")


def bottleneck(before: int, after: int, stride: int) -> list[nn.Module]:
    """Build a bottleneck of 1 × 1, 3 × 3 and 1 × 1 convolutions and a shortcut."""
    middle = after // EXPANSION
    body = [
        *(*conv_bn(before, middle), nn.ReLU()),
        *(*conv_bn(middle, middle, 3, stride), nn.ReLU()),
        *conv_bn(middle, after),
    ]
    shortcut = conv_bn(before, after, 1, stride) if before != after or stride != 1 else []
    return [Residual(nn.Sequential(*body), nn.Sequential(*shortcut)), nn.ReLU()]


@dataclass(frozen=True)
class ImagenetResnet(Model):
    """ResNet of He et al., "Deep Residual Learning for Image Recognition" (2016), table 1, with a 3 × 3 stem.

    The stem does not halve the image. The ResNet-50 is that of the common CIFAR-100 benchmark (Tian et al.,
    "Contrastive Representation Distillation", 2020), where the stride of a bottleneck is in its 3 × 3 convolution.
    """

    title: ClassVar[str] = "ResNet (ImageNet)"
    summary: ClassVar[str] = (
        "Four stages of up to 2,048 maps: large teachers, whose first stage keeps the size of small images."
    )
    family: ClassVar[str] = "residual"

    depth: str = choice("18", tuple(BLOCKS), "Layers with weights; from 50 on the blocks are bottlenecks.")

    def unsupported_reason(self, shape: tuple[int, ...]) -> str:
        return unsupported_image_reason(shape, 5)

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        channels = FILTERS[0]
        stages = {"stem": [*conv_bn(shape[0], channels, 3), nn.ReLU()]}
        is_narrow = self.depth in BOTTLENECKS
        for number, (filters, count) in enumerate(zip(FILTERS, BLOCKS[self.depth], strict=True), start=1):
            stages[f"stage{number}"], after = [], filters * (EXPANSION if is_narrow else 1)
            for index in range(count):
                stride = 2 if number > 1 and index == 0 else 1
                stages[f"stage{number}"] += (bottleneck if is_narrow else block)(channels, after, stride)
                channels = after
        return sequential_cnn(stages, channels, classes)

    def foreign_names(self, shape: tuple[int, ...], classes: int) -> Sequence[Mapping[str, str]]:
        with torch.device("meta"):
            return resnet_names(self.build(shape, classes).state_dict())

    def feature_layers(self) -> dict[str, str]:
        return stage_layers(len(FILTERS))

    def scaled(self, factor: float) -> Self:
        """Return a network with fewer layers, since all have one width."""
        return self.with_values(depth=nearest_choice(int(self.depth) * factor, tuple(BLOCKS)))

    def label(self) -> str:
        return f"ResNet-{self.depth}"
