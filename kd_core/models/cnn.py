"""Small convolutional network with blocks of two 3 × 3 convolutions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from torch import nn

from kd_core.base.options import choice, integer
from kd_core.models import Model

GROUPS = 4  # of group normalisation: divides every allowed width
# The last maps are pooled to 4 x 4. Global pooling would hide where a stroke is, and such a teacher is harder to match
# for a fully connected student (measured, see docs/decisions).
POOLED = 4


@dataclass(frozen=True)
class Cnn(Model):
    title: ClassVar[str] = "CNN"
    summary: ClassVar[str] = "Small filters that slide over the image, shared by all positions."
    family: ClassVar[str] = "convolutional"

    width: int = integer(
        16, 4, 512, "Filters in the first block, a multiple of 4; each block has twice as many.", step=4
    )
    depth: int = integer(2, 1, 5, "Number of blocks; the image is halved between them.")
    normalisation: str = choice("group", ("group", "batch", "none"), "Normalisation after each convolution.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % GROUPS:
            raise ValueError(f"width = {self.width}: choose a multiple of {GROUPS}.")

    def unsupported_reason(self, shape: tuple[int, ...]) -> str:
        if len(shape) != 3:
            return "needs images, and these data are points"
        if min(shape[1:]) >> (self.depth - 1) < 1:
            return f"halves the image {self.depth - 1} times, and {shape[1]} × {shape[2]} pixels are too few for that"
        return ""

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        layers: list[nn.Module] = []
        channels, width = shape[0], self.width
        for block in range(self.depth):
            if block:
                layers.append(nn.MaxPool2d(2))
            for _ in range(2):
                layers += [
                    nn.Conv2d(channels, width, 3, padding=1, bias=self.normalisation == "none"),
                    self._normalise(width),
                    nn.ReLU(),
                ]
                channels = width
            width *= 2
        head = nn.Linear(channels * POOLED**2, classes)
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(POOLED), nn.Flatten(), head)

    def feature_layers(self) -> dict[str, str]:
        # A block is six layers, and a pooling before each but the first.
        ends = {f"stage {block + 1}": str(7 * block + 5) for block in range(self.depth)}
        return ends | {"embedding": str(7 * self.depth)}

    def _normalise(self, width: int) -> nn.Module:
        if self.normalisation == "batch":
            return nn.BatchNorm2d(width)
        return nn.GroupNorm(GROUPS, width) if self.normalisation == "group" else nn.Identity()

    def scaled(self, factor: float) -> Self:
        return self.with_values(width=max(GROUPS, round(self.width * factor / GROUPS) * GROUPS))

    def label(self) -> str:
        return f"CNN {self.width}×{self.depth}"
