"""Small one-stage detector without anchors, whose boxes are distributions over bins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.base.options import integer
from kd_core.models import Model
from kd_core.tasks._boxes import BOX, CELL_PIXELS
from kd_core.tasks.detection import CELL

GROUPS = 4  # of group normalisation: divides every allowed width


class DetectorNetwork(nn.Module):
    """Three stages that halve the image, a neck that adds what the last one sees, and a head for classes and boxes.

    Lin et al., "Feature Pyramid Networks" (2017), with one level; heads as in Tian et al., "FCOS" (2019), section 3.
    """

    def __init__(self, channels: int, outputs: int, width: int) -> None:
        super().__init__()
        self.stage_1 = nn.Sequential(*block(channels, width, 2))
        self.stage_2 = nn.Sequential(*block(width, 2 * width, 2), *block(2 * width, 2 * width))
        self.stage_3 = nn.Sequential(*block(2 * width, 4 * width, 2), *block(4 * width, 4 * width))
        self.lateral, self.top = nn.Conv2d(2 * width, 2 * width, 1), nn.Conv2d(4 * width, 2 * width, 1)
        self.neck = nn.Sequential(*block(2 * width, 2 * width))
        self.class_map = nn.Sequential(*block(2 * width, 2 * width), nn.Conv2d(2 * width, outputs, 1))
        self.boxes = nn.Sequential(*block(2 * width, 2 * width), nn.Conv2d(2 * width, BOX, 1), CellRows())
        self.cells = CellRows()

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, cells, outputs + 4 · BINS) of images (B, C, H, W)."""
        near = self.stage_2(self.stage_1(images))
        far = self.top(self.stage_3(near))
        neck = self.neck(self.lateral(near) + F.interpolate(far, size=near.shape[2:]))
        return torch.cat([self.cells(self.class_map(neck)), self.boxes(neck)], -1)


class CellRows(nn.Module):
    """Maps (B, C, H, W) as cells (B, H · W, C), row by row."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.flatten(2).transpose(1, 2)


def block(channels: int, width: int, stride: int = 1) -> tuple[nn.Module, ...]:
    """Return a 3 × 3 convolution with normalisation and ReLU."""
    convolution = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
    return convolution, nn.GroupNorm(GROUPS, width), nn.ReLU()


@dataclass(frozen=True)
class Detector(Model):
    title: ClassVar[str] = "Detector"
    summary: ClassVar[str] = "Every cell of a grid names the object at its place and the box around it."
    family: ClassVar[str] = "detection"
    outputs: ClassVar[str] = CELL

    width: int = integer(8, 4, 128, "Filters in the first stage, a multiple of 4; the next ones have more.", step=4)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % GROUPS:
            raise ValueError(f"width = {self.width}: choose a multiple of {GROUPS}.")

    def unsupported_reason(self, shape: tuple[int, ...]) -> str:
        if len(shape) != 3 or shape[1] != shape[2] or shape[1] % (2 * CELL_PIXELS):
            return f"needs square images whose side is a multiple of {2 * CELL_PIXELS} pixels"
        return ""

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        return DetectorNetwork(shape[0], classes, self.width)

    def feature_layers(self) -> dict[str, str]:
        stages = {f"stage {number}": f"stage_{number}" for number in (1, 2, 3)}
        return stages | {"neck": "neck", "class map": "class_map", "boxes": "boxes"}

    def stages(self, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
        return [layer for layer in super().stages(shapes) if layer != "class map"]

    def scaled(self, factor: float) -> Self:
        return self.with_values(width=max(GROUPS, round(self.width * factor / GROUPS) * GROUPS))

    def label(self) -> str:
        return f"Detector {self.width}"
