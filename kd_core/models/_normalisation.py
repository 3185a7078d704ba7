"""Normalisation of images that a network was trained with, as a first layer that converts standardised inputs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from kd_core.datasets import Data

DATASET, IMAGENET, NONE = "dataset", "imagenet", "none"
NAMED = (DATASET, IMAGENET, NONE)
# Mean and standard deviation by channel of pixels in [0, 1], as torchvision's and timm's networks expect them.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CONVERSION = "conversion"  # name of the layer
ALLOWED = (
    "choose dataset (standardised as here), imagenet, none (pixels from 0 to 1), or own numbers as mean/std, "
    "for example 0.5,0.5,0.5/0.25,0.25,0.25"
)


def parse_normalisation(text: str, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Return mean and standard deviation by channel of pixels in [0, 1]; None for those of the data set.

    Raises ValueError for anything but "dataset", "imagenet", "none", and numbers for every channel or for all of them.
    """
    name = text.strip().lower()
    if name == DATASET:
        return None
    if name == NONE:
        return (0.0,) * channels, (1.0,) * channels
    if name == IMAGENET:
        if channels == 3:
            return IMAGENET_MEAN, IMAGENET_STD
        return (sum(IMAGENET_MEAN) / 3,) * channels, (sum(IMAGENET_STD) / 3,) * channels
    try:
        mean, std = (tuple(float(part) for part in half.replace(",", " ").split()) for half in name.split("/"))
    except ValueError:
        raise ValueError(f'normalisation = "{text[:60]}": {ALLOWED}.') from None
    mean, std = (values * channels if len(values) == 1 else values for values in (mean, std))
    is_allowed = all(abs(value) <= 1000 for value in mean) and all(1e-6 <= value <= 1000 for value in std)
    if len(mean) != channels or len(std) != channels or not is_allowed:
        raise ValueError(f'normalisation = "{text[:60]}": {ALLOWED}; these images have {channels} channels.')
    return mean, std


class InputConversion(nn.Module):
    """Affine layer from images standardised as in a data set to images standardised as a network expects them.

    The buffers ``mean`` and ``std`` (C,) are those of the network; a state dict without them has those of the data.
    """

    def __init__(self, data_mean: Sequence[float], data_std: Sequence[float], channels: int) -> None:
        super().__init__()
        self.data_mean, self.data_std = (
            tuple(float(value) for value in values) * (channels if len(values) == 1 else 1)
            for values in (data_mean, data_std)
        )
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(self.data_mean))
        self.register_buffer("std", torch.tensor(self.data_std))

    def forward(self, images: Tensor) -> Tensor:
        mean, std = (torch.tensor(values, device=self.mean.device) for values in (self.data_mean, self.data_std))
        scale, shift = std / self.std, (mean - self.mean) / self.std  # exactly 1 and 0 for those of the data
        return images * scale[:, None, None] + shift[:, None, None]

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *arguments: Any) -> None:
        for name, values in (("mean", self.data_mean), ("std", self.data_std)):
            state_dict.setdefault(prefix + name, torch.tensor(values, device="cpu"))
        super()._load_from_state_dict(state_dict, prefix, *arguments)


def with_conversion(
    network: nn.Module, data: Data, numbers: tuple[Sequence[float], Sequence[float]] | None = None
) -> nn.Module:
    """Return a network with an :class:`InputConversion` as its first layer; the paths of all other layers stay.

    Networks for other data than images, and modules that are no ``nn.Sequential``, are returned as they are.

    Args:
        network: of layers in sequence.
        data: whose inputs it will get.
        numbers: mean and standard deviation by channel that it expects; None for those of the data.
    """
    if not data.has_images or not isinstance(network, nn.Sequential):
        return network
    device = next((parameter.device for parameter in network.parameters()), torch.get_default_device())
    with torch.device(device):  # a network from a file computes on the CPU even where the meta device is set
        layer = InputConversion(data.mean, data.std, data.shape[0])
    for buffer, values in zip((layer.mean, layer.std), numbers or (), strict=False):
        buffer.copy_(torch.tensor(values, device=buffer.device))
    return nn.Sequential(OrderedDict([(CONVERSION, layer), *network.named_children()]))
