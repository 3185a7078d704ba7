"""Small vision transformer with a class token for images of 8 to 64 pixels."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.base.options import integer
from kd_core.models import Model

MAX_PATCHES = 1024  # whose attention maps have a million numbers each
MAX_STAGES = 4  # as most networks for images have


class Attention(nn.Module):
    """Self-attention of several heads; the output of ``softmax`` is its attention maps (B, heads, L, L)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value, self.mixed = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.softmax = nn.Softmax(-1)

    def forward(self, tokens: Tensor) -> Tensor:
        batch, length, width = tokens.shape
        size = width // self.heads
        query, key, value = (
            part.view(batch, length, self.heads, size).transpose(1, 2)
            for part in self.query_key_value(tokens).chunk(3, -1)
        )
        maps = self.softmax(query @ key.transpose(2, 3) / math.sqrt(size))
        result: Tensor = self.mixed((maps @ value).transpose(1, 2).reshape(batch, length, width))
        return result


class Block(nn.Module):
    """Self-attention and a two-layer perceptron, each added to its normalised input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.perceptron = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attention(self.norm_1(tokens))
        result: Tensor = tokens + self.perceptron(self.norm_2(tokens))
        return result


class Patches(nn.Module):
    """Patch embedding from images (B, C, H, W) to tokens (B, 1 + N, D), a class token and N patches with positions.

    Images that are no multiple of the patch get zeros on the right and at the bottom.
    """

    def __init__(self, channels: int, width: int, patch: int, count: int) -> None:
        super().__init__()
        self.patch, self.projection = patch, nn.Conv2d(channels, width, patch, patch)
        self.token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.positions = nn.Parameter(0.02 * torch.randn(1, 1 + count, width))

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[2:]
        images = F.pad(images, (0, -width % self.patch, 0, -height % self.patch))
        patches: Tensor = self.projection(images).flatten(2).transpose(1, 2)
        return torch.cat([self.token.expand(patches.shape[0], -1, -1), patches], 1) + self.positions


class PatchMaps(nn.Module):
    """Tokens (B, L, D), of which the last are those of the patches, as maps (B, D, H, W)."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width

    def forward(self, tokens: Tensor) -> Tensor:
        patches = tokens[:, -self.height * self.width :]
        return patches.transpose(1, 2).reshape(patches.shape[0], patches.shape[2], self.height, self.width)


class WithMaps(nn.Module):
    """Tokens (B, L, D) as they are; ``maps`` shows them as maps to losses that hook it."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.maps = PatchMaps(height, width)

    def forward(self, tokens: Tensor) -> Tensor:
        self.maps(tokens)
        return tokens


class ClassToken(nn.Module):
    """First of the tokens (B, L, D)."""

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens[:, 0]


@dataclass(frozen=True)
class Vit(Model):
    """Vision transformer, Dosovitskiy et al., "An Image is Worth 16x16 Words" (2021), section 3.1."""

    title: ClassVar[str] = "Vision transformer"
    aliases: ClassVar[tuple[str, ...]] = ("ViT",)
    summary: ClassVar[str] = "The image is cut into patches, and each of them looks at all others."
    family: ClassVar[str] = "transformer"

    patch: int = integer(
        0, 0, 64, "Pixels each way of a patch; 0: an eighth of the image, and at least 2.", label="Patch size"
    )
    width: int = integer(32, 1, 1024, "Numbers that stand for a patch, of each head together.")
    depth: int = integer(2, 1, 12, "Blocks of attention and perceptron.")
    heads: int = integer(4, 1, 16, "Attention heads; the width is a multiple of them.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % self.heads:
            raise ValueError(f"width = {self.width}: choose a multiple of the {self.heads} heads.")

    def patches(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """Return the size of a patch in pixels, and rows and columns of patches, for images (C, H, W)."""
        size = self.patch or max(2, round(min(shape[1:]) / 8))
        return size, -(-shape[1] // size), -(-shape[2] // size)

    def unsupported_reason(self, shape: tuple[int, ...]) -> str:
        if len(shape) != 3:
            return "needs images, and these data are points"
        size, rows, columns = self.patches(shape)
        if rows * columns > MAX_PATCHES:
            return (
                f"compares at most {MAX_PATCHES:,} patches with each other, and {shape[1]} × {shape[2]} pixels have "
                f"{rows * columns:,} of {size} × {size}: choose a larger patch size"
            )
        return ""

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        size, rows, columns = self.patches(shape)
        layers: dict[str, nn.Module] = {"patches": Patches(shape[0], self.width, size, rows * columns)}
        for number, count in enumerate(self._blocks_per_stage, start=1):
            blocks = [Block(self.width, self.heads) for _ in range(count)]
            layers[f"stage{number}"] = nn.Sequential(*blocks, WithMaps(rows, columns))
        layers |= {"norm": nn.LayerNorm(self.width), "embedding": ClassToken()}
        return nn.Sequential(OrderedDict(layers, head=nn.Linear(self.width, classes)))

    def feature_layers(self) -> dict[str, str]:
        counts = enumerate(self._blocks_per_stage, start=1)
        return {f"stage {number}": f"stage{number}.{count}.maps" for number, count in counts} | {
            "embedding": "embedding"
        }

    def attention_layers(self) -> dict[str, str]:
        """Return those of the last block of each stage."""
        return {
            f"stage {stage}": f"stage{stage}.{count - 1}.attention.softmax"
            for stage, count in enumerate(self._blocks_per_stage, start=1)
        }

    def token_layers(self) -> tuple[str, str]:
        return "patches", "norm"

    def cuttable_layers(self) -> list[str]:
        return ["embedding"]  # the maps of a stage lack the class token

    @property
    def _blocks_per_stage(self) -> list[int]:
        count = min(self.depth, MAX_STAGES)
        return [self.depth * (place + 1) // count - self.depth * place // count for place in range(count)]

    def scaled(self, factor: float) -> Self:
        return self.with_values(width=max(1, round(self.width * factor / self.heads)) * self.heads)

    def label(self) -> str:
        return f"ViT {self.depth} × {self.width}"
