"""Layers of networks that have logits for every pixel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from kd_core.models import Model
from kd_core.tasks.segmentation import LOGITS_MAP, PIXEL


class DenseModel(Model):
    """Base class of families with logits (B, H, W, K) for every pixel."""

    family: ClassVar[str] = "segmentation"
    outputs: ClassVar[str] = PIXEL

    def stages(self, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
        layers = super().stages({layer: shapes[layer] for layer in self.feature_layers()})
        return [layer for layer in layers if layer != LOGITS_MAP]


class LogitsLast(nn.Module):
    """Maps of logits (B, K, H, W) with the classes moved to the end, as losses on rows need them."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.permute(0, 2, 3, 1)


def convolutions(before: int, after: int, count: int = 2, dilation: int = 1) -> nn.Sequential:
    """Build 3 × 3 convolutions with batch normalisation and ReLU that keep the size of a map.

    A normalisation of every image by itself would remove what its colours say.
    """
    layers: list[nn.Module] = []
    for _ in range(count):
        convolution = nn.Conv2d(before, after, 3, padding=dilation, dilation=dilation, bias=False)
        layers += [convolution, nn.BatchNorm2d(after), nn.ReLU()]
        before = after
    return nn.Sequential(*layers)
