"""Recurrent network over the characters of a text."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Tensor, nn

from kd_core.base.options import integer
from kd_core.models import Model
from kd_core.models._characters import CharacterNetwork, PositionMaps
from kd_core.tasks import CHARACTERS, POSITION


class RecurrentNetwork(CharacterNetwork):
    """Embedding, gated recurrent unit (Cho et al. 2014), logits."""

    def __init__(self, classes: int, context: int, width: int, units: int) -> None:
        super().__init__(classes, context)
        self.width, self.units = width, units
        self.characters = nn.Embedding(classes, width)
        self.recurrent = nn.GRU(width, units, batch_first=True)
        self.maps, self.logits = PositionMaps(), nn.Linear(units, classes)

    def forward(self, characters: Tensor) -> Tensor:
        states, _ = self.recurrent(self.characters(characters.long()))
        self.maps(states)
        logits: Tensor = self.logits(states)
        return logits


@dataclass(frozen=True)
class Gru(Model):
    title: ClassVar[str] = "GRU"
    summary: ClassVar[str] = "Reads a text character by character, and remembers by gated recurrent units."
    family: ClassVar[str] = "language"
    inputs: ClassVar[str] = CHARACTERS
    outputs: ClassVar[str] = POSITION

    characters: int = integer(16, 1, 512, "Numbers that stand for a character.", label="Embedding")
    hidden: int = integer(64, 1, 2048, "Units that remember.", label="Hidden units")

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        return RecurrentNetwork(classes, math.prod(shape), self.characters, self.hidden)

    def feature_layers(self) -> dict[str, str]:
        return {"hidden": "maps"}

    def cuttable_layers(self) -> list[str]:
        return []

    def scaled(self, factor: float) -> Self:
        return self.with_values(hidden=max(1, round(self.hidden * factor)))

    def label(self) -> str:
        return f"GRU {self.hidden}"
