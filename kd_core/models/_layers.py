"""Layers that several families of convolutional networks are made of, and how such a network is put together."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


def unsupported_image_reason(shape: tuple[int, ...], min_size: int) -> str:
    """Why a network cannot take such inputs that needs images of ``min_size`` pixels each way; empty if it can."""
    if len(shape) != 3:
        return "needs images, and these data are points"
    if min(shape[1:]) < min_size:
        return f"needs images of at least {min_size} × {min_size} pixels, and these have {shape[1]} × {shape[2]}"
    return ""


def convolution(before: int, after: int, size: int = 1, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """Without bias, since batch norm follows; the map keeps its size, or is halved, rounded up, by a stride of 2."""
    return nn.Conv2d(before, after, size, stride, size // 2, groups=groups, bias=False)


def conv_bn(before: int, after: int, size: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """A convolution and its batch norm."""
    return [convolution(before, after, size, stride, groups), nn.BatchNorm2d(after)]


class Residual(nn.Module):
    """``body`` plus ``shortcut``: He et al., "Deep Residual Learning for Image Recognition" (2016), equation 2."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut or nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.body(features) + self.shortcut(features)
        return result


class ChannelConcat(nn.Module):
    """The channels of ``left``, then those of ``right``, of the same maps (B, C, H, W)."""

    def __init__(self, left: nn.Module, right: nn.Module) -> None:
        super().__init__()
        self.left, self.right = left, right

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat([self.left(features), self.right(features)], 1)


def sequential_cnn(stages: Mapping[str, Sequence[nn.Module]], width: int, classes: int) -> nn.Sequential:
    """The stages, the average over all places, and a linear layer from ``width`` channels to logits.

    Weights of convolutions are drawn as by He et al., "Delving Deep into Rectifiers" (2015), equation 14; the linear
    layer is torch's usual one.
    """
    network = nn.Sequential(OrderedDict((name, nn.Sequential(*layers)) for name, layers in stages.items()))
    network.add_module("pool", nn.AdaptiveAvgPool2d(1))
    network.add_module("flatten", nn.Flatten())
    network.add_module("head", nn.Linear(width, classes))
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network


def stage_layers(count: int, *, stem: bool = True) -> dict[str, str]:
    """The taps of :func:`sequential_cnn` networks: "stem", "stage 1", ..., "embedding"."""
    stages = {f"stage {number}": f"stage{number}" for number in range(1, count + 1)}
    return ({"stem": "stem"} if stem else {}) | stages | {"embedding": "flatten"}


def nearest_choice(wanted: float, allowed: Sequence[str]) -> str:
    """The choice, a number as text, that is nearest to a number."""
    return min(allowed, key=lambda text: abs(float(text) - wanted))


def scale_depth_and_width(depth: str, widening: int, factor: float, depths: Sequence[str]) -> tuple[str, int]:
    """Depth and widening of a smaller network: fewer filters; where there are no fewer, fewer layers.

    The layers are as many as leave the weights that the filters would: those grow with the square of the filters.
    """
    wanted = widening * factor
    fewer = max(1, round(wanted))
    return (nearest_choice(int(depth) * min(1, wanted) ** 2, depths) if fewer == 1 else depth), fewer
