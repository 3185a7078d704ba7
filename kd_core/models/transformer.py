"""Small decoder-only transformer over the characters of a text."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.base.options import integer
from kd_core.models import Model
from kd_core.models._characters import CharacterNetwork, PositionMaps
from kd_core.tasks import CHARACTERS, POSITION


class Block(nn.Module):
    """Causal self-attention and a two-layer perceptron, each added to its normalised input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value, self.mixed = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.perceptron = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.maps = PositionMaps()

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        query, key, value = (
            part.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
            for part in self.query_key_value(self.norm_1(x)).chunk(3, -1)
        )
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.mixed(mixed.transpose(1, 2).reshape(batch, length, width))
        result: Tensor = x + self.perceptron(self.norm_2(x))
        self.maps(result)
        return result


class TransformerNetwork(CharacterNetwork):
    """Decoder-only transformer with learned positions and normalisation first (Radford et al. 2019)."""

    def __init__(self, classes: int, context: int, width: int, layers: int, heads: int) -> None:
        super().__init__(classes, context)
        self.width, self.layers, self.heads, self.longest = width, layers, heads, context
        self.characters, self.positions = nn.Embedding(classes, width), nn.Embedding(context, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.norm, self.logits = nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, characters: Tensor) -> Tensor:
        positions = torch.arange(characters.shape[1], device=characters.device)
        x = self.characters(characters.long()) + self.positions(positions)
        logits: Tensor = self.logits(self.norm(self.blocks(x)))
        return logits


@dataclass(frozen=True)
class Transformer(Model):
    title: ClassVar[str] = "Transformer"
    summary: ClassVar[str] = "Each character looks back at all characters before it."
    family: ClassVar[str] = "language"
    inputs: ClassVar[str] = CHARACTERS
    outputs: ClassVar[str] = POSITION

    width: int = integer(64, 1, 1024, "Numbers that stand for a character, of each head together.")
    layers: int = integer(2, 1, 12, "Blocks of attention and perceptron.")
    heads: int = integer(4, 1, 16, "Attention heads; the width is a multiple of them.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % self.heads:
            raise ValueError(f"width = {self.width}: choose a multiple of the {self.heads} heads.")

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        return TransformerNetwork(classes, math.prod(shape), self.width, self.layers, self.heads)

    def feature_layers(self) -> dict[str, str]:
        return {f"block {number + 1}": f"blocks.{number}.maps" for number in range(self.layers)}

    def cuttable_layers(self) -> list[str]:
        return []

    def scaled(self, factor: float) -> Self:
        return self.with_values(width=max(1, round(self.width * factor / self.heads)) * self.heads)

    def label(self) -> str:
        return f"Transformer {self.layers} × {self.width}"
