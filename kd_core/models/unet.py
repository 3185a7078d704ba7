"""Small U-Net, an encoder and a decoder with connections between maps of the same size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.base.options import integer
from kd_core.models._dense import DenseModel, LogitsLast, convolutions
from kd_core.models._layers import unsupported_image_reason
from kd_core.tasks.segmentation import LOGITS_MAP


class UNetwork(nn.Module):
    """Network from images (B, C, H, W) to logits (B, H, W, K) (Ronneberger et al. 2015, figure 1).

    Maps are doubled by interpolation, so that sides need not be powers of two.
    """

    max_examples = 256  # per forward pass without gradient, since every pixel is a row of features

    def __init__(self, channels: int, classes: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for width in widths:
            self.down.append(convolutions(channels, width))
            channels = width
        for width in reversed(widths[:-1]):
            self.up.append(convolutions(channels + width, width))
            channels = width
        self.logits_map = nn.Conv2d(channels, classes, 1)
        self.last = LogitsLast()

    def forward(self, images: Tensor) -> Tensor:
        maps, features = [], images
        for number, block in enumerate(self.down):
            features = block(F.max_pool2d(features, 2) if number else features)
            maps.append(features)
        for block, skipped in zip(self.up, reversed(maps[:-1]), strict=True):
            features = F.interpolate(features, skipped.shape[2:], mode="nearest")
            features = block(torch.cat([features, skipped], 1))
        logits: Tensor = self.last(self.logits_map(features))
        return logits


@dataclass(frozen=True)
class Unet(DenseModel):
    title: ClassVar[str] = "U-Net"
    summary: ClassVar[str] = "Shrinks the image to see far, and grows it again with the details from before."

    width: int = integer(4, 2, 256, "Filters at full size; each halving doubles them.")
    depth: int = integer(3, 2, 5, "Number of sizes; the image is halved between them.")

    def unsupported_reason(self, shape: tuple[int, ...]) -> str:
        return unsupported_image_reason(shape, 2 ** (self.depth - 1))

    def refusal(self, shape: tuple[int, ...], classes: int, *, is_trained: bool = False, is_split: bool = False) -> str:
        if is_split:
            return "has connections from its first layers to its last ones, so that it cannot be cut between them"
        return super().refusal(shape, classes, is_trained=is_trained)

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        return UNetwork(shape[0], classes, tuple(self.width * 2**number for number in range(self.depth)))

    def feature_layers(self) -> dict[str, str]:
        down = {f"stage {number + 1}": f"down.{number}" for number in range(self.depth)}
        up = {f"up {number + 1}": f"up.{number}" for number in range(self.depth - 1)}
        return {**down, **up, LOGITS_MAP: "logits_map"}

    def scaled(self, factor: float) -> Self:
        return self.with_values(width=max(2, round(self.width * factor)))

    def label(self) -> str:
        return f"U-Net {self.width}×{self.depth}"
