"""VGG for small images, stages of 3 × 3 convolutions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from torch import nn

from kd_core.base.options import choice, number
from kd_core.models import Model
from kd_core.models._layers import sequential_cnn, stage_layers, unsupported_image_reason

# Convolutions per stage.
STAGES = {
    "8": (1, 1, 1, 1, 1),
    "11": (1, 1, 2, 2, 2),
    "13": (2, 2, 2, 2, 2),
    "16": (2, 2, 3, 3, 3),
    "19": (2, 2, 4, 4, 4),
}
FILTERS = (64, 128, 256, 512, 512)
LARGE = 64  # smallest images (pixels) for which the last stage is halved, too


@dataclass(frozen=True)
class Vgg(Model):
    """VGG of Simonyan & Zisserman (2015), table 1, with batch norm and one linear layer.

    As in the common CIFAR-100 benchmark (Tian et al., "Contrastive Representation Distillation", 2020), which adds
    VGG-8 and keeps the last two stages at one resolution below 64 pixels.
    """

    title: ClassVar[str] = "VGG"
    summary: ClassVar[str] = "Plain stages of 3 × 3 convolutions: large and regular."
    family: ClassVar[str] = "convolutional"

    depth: str = choice("8", tuple(STAGES), "Layers with weights, as in the names.")
    multiplier: float = number(1.0, 0.125, 2, "Width multiplier: 1 is 64 filters first and 512 last.", step=0.125)

    def unsupported_reason(self, shape: tuple[int, ...]) -> str:
        return unsupported_image_reason(shape, 8)

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        channels = shape[0]
        stages: dict[str, list[nn.Module]] = {}
        for stage, (filters, count) in enumerate(zip(FILTERS, STAGES[self.depth], strict=True), start=1):
            is_halved = 1 < stage < len(FILTERS) or (stage == len(FILTERS) and min(shape[1:]) >= LARGE)
            stages[f"stage{stage}"] = [nn.MaxPool2d(2)] if is_halved else []
            width = round(filters * self.multiplier)
            for _ in range(count):
                layers = [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
                stages[f"stage{stage}"] += layers
                channels = width
        return sequential_cnn(stages, channels, classes)

    def feature_layers(self) -> dict[str, str]:
        return stage_layers(len(FILTERS), stem=False)

    def scaled(self, factor: float) -> Self:
        return self.with_values(multiplier=max(0.125, self.multiplier * factor))

    def label(self) -> str:
        return f"VGG-{self.depth}" + (f" {self.multiplier:.3g}" if self.multiplier != 1 else "")
