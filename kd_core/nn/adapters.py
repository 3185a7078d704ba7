"""Adapters, small layers that map a student's features to the shape of the teacher's.

They are trained and checkpointed with the student, and dropped from the trained network.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.nn.hooks import Shape, format_shape


def pool_to_vector(features: Tensor) -> Tensor:
    """Return vectors (B, D) unchanged and maps (B, C, H, W) averaged over height and width."""
    return features.flatten(2).mean(2) if features.dim() > 2 else features


def match_sizes(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return both maps (B, C, H, W) average-pooled to the smaller of their sizes."""
    height, width = (min(sides) for sides in zip(first.shape[2:], second.shape[2:], strict=True))
    return pool_to_size(first, (height, width)), pool_to_size(second, (height, width))


def pool_to_size(features: Tensor, size: tuple[int, int]) -> Tensor:
    """Return maps (B, C, H, W) average-pooled to ``size``; unchanged if they have it."""
    return features if features.shape[2:] == size else F.adaptive_avg_pool2d(features, size)


class Regressor(nn.Module):
    """Regressor of FitNets, a convolution between maps or a linear layer between vectors.

    A map is averaged over height and width where the other side is a vector. Between maps the convolution is followed
    by batch normalisation and ReLU, like the teacher's features: 1 × 1 for equal sizes, 3 × 3 with stride 2 to halve
    them, 4 × 4 transposed to double them, else 1 × 1 after area interpolation. Romero et al., "FitNets" (2015), section
    2.2, with the convolutions of the common code (RepDistiller).
    """

    def __init__(self, student: Shape, teacher: Shape) -> None:
        super().__init__()
        self.size: tuple[int, int] | None = None
        self.is_pooled = len(student) != len(teacher)
        if len(student) == len(teacher) == 3:
            layer = self._convolution(student, teacher)
            has_places = teacher[1] * teacher[2] > 1
            self.layers = nn.Sequential(layer, nn.BatchNorm2d(teacher[0]) if has_places else nn.Identity(), nn.ReLU())
        else:
            self.layers = nn.Sequential(nn.Linear(student[0], teacher[0]))
        self.description = describe(self.layers) + (
            f" after averaging {format_shape(student if len(student) == 3 else teacher)} over its places"
            if self.is_pooled
            else ""
        )

    def _convolution(self, student: Shape, teacher: Shape) -> nn.Module:
        if student[1:] == (2 * teacher[1], 2 * teacher[2]):
            return nn.Conv2d(student[0], teacher[0], 3, stride=2, padding=1)
        if teacher[1:] == (2 * student[1], 2 * student[2]):
            return nn.ConvTranspose2d(student[0], teacher[0], 4, stride=2, padding=1)
        if student[1:] != teacher[1:]:
            self.size = (teacher[1], teacher[2])
        return nn.Conv2d(student[0], teacher[0], 1)

    def forward(self, features: Tensor) -> Tensor:
        if self.is_pooled:
            features = pool_to_vector(features)
        if self.size is not None:
            features = F.interpolate(features, self.size, mode="area")
        result: Tensor = self.layers(features)
        return result

    def in_words(self) -> str:
        return self.description


def describe(module: nn.Module) -> str:
    """Return an adapter in words, as in "1 × 1 convolution 8 → 16, batch norm, ReLU"."""
    if (in_words := getattr(module, "in_words", None)) is not None:
        description: str = in_words()
        return description
    if isinstance(module, nn.Sequential):
        return ", ".join(filter(None, map(describe, module)))
    if isinstance(module, nn.Linear):
        return f"linear {module.in_features} → {module.out_features}"
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        kind = "transposed convolution" if isinstance(module, nn.ConvTranspose2d) else "convolution"
        size, stride = module.kernel_size[0], module.stride[0]
        step = f", stride {stride}" if stride != 1 else ""
        return f"{size} × {size} {kind}{step} {module.in_channels} → {module.out_channels}"
    if isinstance(module, nn.AdaptiveAvgPool2d):
        return "averaging down"
    names = {"BatchNorm2d": "batch norm", "Identity": "", "Flatten": "", "ReLU": "ReLU"}
    return names.get(type(module).__name__, type(module).__name__)


def count_parameters(module: nn.Module) -> int:
    """Return the number of learned parameters."""
    return sum(parameter.numel() for parameter in module.parameters())
