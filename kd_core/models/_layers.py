"""Layers and stages that several families of convolutional networks share."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn


def unsupported_image_reason(shape: tuple[int, ...], min_size: int) -> str:
    """Return why a network for images of at least ``min_size`` pixels cannot take such inputs; empty if it can."""
    if len(shape) != 3:
        return "needs images, and these data are points"
    if min(shape[1:]) < min_size:
        return f"needs images of at least {min_size} × {min_size} pixels, and these have {shape[1]} × {shape[2]}"
    return ""


def convolution(before: int, after: int, size: int = 1, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """Build a convolution without bias, since batch norm follows; a stride of 2 halves the map, rounded up."""
    return nn.Conv2d(before, after, size, stride, size // 2, groups=groups, bias=False)


def conv_bn(before: int, after: int, size: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Build a convolution and its batch norm."""
    return [convolution(before, after, size, stride, groups), nn.BatchNorm2d(after)]


class Residual(nn.Module):
    """Residual block, ``body`` plus ``shortcut`` (He et al. 2016, equation 2)."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut or nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.body(features) + self.shortcut(features)
        return result


class ChannelConcat(nn.Module):
    """Concatenation of the channels that ``left`` and ``right`` compute from the same maps (B, C, H, W)."""

    def __init__(self, left: nn.Module, right: nn.Module) -> None:
        super().__init__()
        self.left, self.right = left, right

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat([self.left(features), self.right(features)], 1)


def sequential_cnn(stages: Mapping[str, Sequence[nn.Module]], width: int, classes: int) -> nn.Sequential:
    """Build the stages, global average pooling, and a linear layer from ``width`` channels to logits."""
    network = nn.Sequential(OrderedDict((name, nn.Sequential(*layers)) for name, layers in stages.items()))
    network.add_module("pool", nn.AdaptiveAvgPool2d(1))
    network.add_module("flatten", nn.Flatten())
    network.add_module("head", nn.Linear(width, classes))
    initialise_convolutions(network)
    return network


def initialise_convolutions(network: nn.Module) -> None:
    """Initialise convolutions as in He et al., "Delving Deep into Rectifiers" (2015), equation 14."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def stage_layers(count: int, *, stem: bool = True) -> dict[str, str]:
    """Return the named layers of :func:`sequential_cnn` networks, from "stem" and "stage 1" to "embedding"."""
    stages = {f"stage {number}": f"stage{number}" for number in range(1, count + 1)}
    return ({"stem": "stem"} if stem else {}) | stages | {"embedding": "flatten"}


def resnet_names(keys: Iterable[str]) -> tuple[dict[str, str], ...]:
    """Return the names in torchvision, and in the common ResNets for CIFAR, of a ResNet's tensors with these names.

    Both have ``conv1``, ``bn1``, and ``layer1.0.conv1`` to ``layer4``; shortcut and last layer are called differently.
    """
    layers = {"0": "conv1", "1": "bn1", "3": "conv2", "4": "bn2", "6": "conv3", "7": "bn3"}
    names: tuple[dict[str, str], dict[str, str]] = ({}, {})
    for key in keys:
        for mapping, shortcut, head in zip(names, ("downsample", "shortcut"), ("fc", "linear"), strict=True):
            part, _, rest = key.partition(".")
            if part == "stem":
                mapping[key] = re.sub("^0", "conv1", re.sub("^1", "bn1", rest))
            elif part == "head":
                mapping[key] = f"{head}.{rest}"
            else:
                place, branch, layer, tensor = rest.split(".")  # blocks and activations alternate in a stage
                name = layers[layer] if branch == "body" else f"{shortcut}.{layer}"
                mapping[key] = f"layer{part.removeprefix('stage')}.{int(place) // 2}.{name}.{tensor}"
    return names


def nearest_choice(target: float, allowed: Sequence[str]) -> str:
    """Return the choice, a number as text, that is nearest to a number."""
    return min(allowed, key=lambda text: abs(float(text) - target))


def scale_depth_and_width(depth: str, widening: int, factor: float, depths: Sequence[str]) -> tuple[str, int]:
    """Return depth and widening of a smaller network, with fewer filters or, at the fewest, with fewer layers.

    The number of layers gives as many weights as the filters would, which grow with the square of the filters.
    """
    target = widening * factor
    scaled = max(1, round(target))
    return (nearest_choice(int(depth) * min(1, target) ** 2, depths) if scaled == 1 else depth), scaled
