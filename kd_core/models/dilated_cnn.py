"""Dilated convolutional network, whose filters reach ever further while maps keep their size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from torch import nn

from kd_core.base.options import integer
from kd_core.models._dense import DenseModel, LogitsLast, convolutions
from kd_core.models._layers import unsupported_image_reason
from kd_core.tasks.segmentation import LOGITS_MAP


@dataclass(frozen=True)
class DilatedCnn(DenseModel):
    """Context module of Yu & Koltun, "Multi-Scale Context Aggregation by Dilated Convolutions" (2016), section 3."""

    title: ClassVar[str] = "Dilated CNN"
    summary: ClassVar[str] = "Filters with gaps that double from layer to layer, at the full size of the image."

    width: int = integer(8, 2, 256, "Filters of every layer.")
    depth: int = integer(4, 1, 6, "Number of layers; the gaps between a filter's pixels are 1, 2, 4, ...")

    def unsupported_reason(self, shape: tuple[int, ...]) -> str:
        return unsupported_image_reason(shape, 2)

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        channels, layers = shape[0], list[nn.Module]()
        for number in range(self.depth):
            layers.append(convolutions(channels, self.width, 1, dilation=2**number))
            channels = self.width
        return nn.Sequential(*layers, nn.Conv2d(channels, classes, 1), LogitsLast())

    def feature_layers(self) -> dict[str, str]:
        stages = {f"stage {number + 1}": str(number) for number in range(self.depth)}
        return {**stages, LOGITS_MAP: str(self.depth)}

    def scaled(self, factor: float) -> Self:
        return self.with_values(width=max(2, round(self.width * factor)))

    def label(self) -> str:
        return f"Dilated CNN {self.width}×{self.depth}"
