"""Small layers between two networks: they turn the student's features into the shape of the teacher's.

They are trained and checkpointed with the student, and left behind when it goes.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.nn.hooks import Shape, format_shape


def pool_to_vector(features: Tensor) -> Tensor:
    """(B, D): maps (B, C, H, W) averaged over the places, vectors as they are."""
    return features.flatten(2).mean(2) if features.dim() > 2 else features


def match_sizes(some: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Both maps (B, C, H, W) at the smaller of their two sizes, by averaging."""
    height, width = (min(a, b) for a, b in zip(some.shape[2:], others.shape[2:], strict=True))
    return pool_to_size(some, (height, width)), pool_to_size(others, (height, width))


def pool_to_size(features: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps (B, C, H, W) averaged down to ``size``; as they are if they have it."""
    return features if features.shape[2:] == size else F.adaptive_avg_pool2d(features, size)


class Regressor(nn.Module):
    """From the student's features to the teacher's shape: a convolution between maps, a linear layer between vectors.

    A map meets a vector as its average over the places. Between maps a convolution with batch normalisation and ReLU,
    as the teacher's own features have: 1 × 1 for equal sizes; 3 × 3 with stride 2 to halve them, 4 × 4 transposed to
    double them; else 1 × 1 after averaging or repeating places. Romero et al., "FitNets" (2015), section 2.2, with the
    convolutions of the usual code.
    """

    def __init__(self, student: Shape, teacher: Shape) -> None:
        super().__init__()
        self.size: tuple[int, int] | None = None
        self.is_pooled = len(student) != len(teacher)
        if len(student) == len(teacher) == 3:
            layer = self._convolution(student, teacher)
            places = teacher[1] * teacher[2]
            self.layers = nn.Sequential(layer, nn.BatchNorm2d(teacher[0]) if places > 1 else nn.Identity(), nn.ReLU())
        else:
            self.layers = nn.Sequential(nn.Linear(student[0], teacher[0]))
        self.says = describe(self.layers) + (
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
        return self.says


def describe(module: nn.Module) -> str:
    """An adaptor as a reader writes it: "1 × 1 convolution 8 → 16, batch norm, ReLU"."""
    if (in_own_words := getattr(module, "in_words", None)) is not None:
        says: str = in_own_words()
        return says
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
    names = {"BatchNorm2d": "batch norm", "Identity": "", "ReLU": "ReLU"}
    return names.get(type(module).__name__, type(module).__name__)


def count_parameters(module: nn.Module) -> int:
    """Numbers that are learned."""
    return sum(parameter.numel() for parameter in module.parameters())
