"""Multi-layer perceptron over the last characters of a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.base.options import integer
from kd_core.models import Model
from kd_core.models._characters import CharacterNetwork, PositionMaps
from kd_core.tasks import CHARACTERS, POSITION


class WindowNetwork(CharacterNetwork):
    """Embedding of the last ``context`` characters, a hidden layer, logits (Bengio et al. 2003)."""

    def __init__(self, classes: int, context: int, width: int, units: int) -> None:
        super().__init__(classes, context)
        self.width, self.units = width, units
        self.characters = nn.Embedding(classes, width)
        self.hidden = nn.Linear(context * width, units)
        self.maps, self.logits = PositionMaps(), nn.Linear(units, classes)

    def forward(self, characters: Tensor) -> Tensor:
        embedded = F.pad(self.characters(characters.long()), (0, 0, self.context - 1, 0))
        windows = embedded.unfold(1, self.context, 1)  # (B, L, characters, context)
        states = torch.tanh(self.hidden(windows.flatten(2)))
        self.maps(states)
        logits: Tensor = self.logits(states)
        return logits

    def last_logits(self, characters: Tensor) -> Tensor:
        embedded = self.characters(characters[:, -self.context :].long())
        embedded = F.pad(embedded, (0, 0, self.context - embedded.shape[1], 0))
        logits: Tensor = self.logits(torch.tanh(self.hidden(embedded.transpose(1, 2).flatten(1))))
        return logits


@dataclass(frozen=True)
class CharMlp(Model):
    title: ClassVar[str] = "Character MLP"
    summary: ClassVar[str] = "Embeds the last few characters and predicts the next by one hidden layer."
    family: ClassVar[str] = "language"
    inputs: ClassVar[str] = CHARACTERS
    outputs: ClassVar[str] = POSITION

    context: int = integer(6, 1, 64, "Characters before the next one that it sees.")
    characters: int = integer(8, 1, 512, "Numbers that stand for a character.", label="Embedding")
    hidden: int = integer(24, 1, 4096, "Units of the hidden layer.", label="Hidden units")

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:  # noqa: ARG002
        return WindowNetwork(classes, self.context, self.characters, self.hidden)

    def feature_layers(self) -> dict[str, str]:
        return {"hidden": "maps"}

    def cuttable_layers(self) -> list[str]:
        return []

    def scaled(self, factor: float) -> Self:
        return self.with_values(hidden=max(1, round(self.hidden * factor)))

    def label(self) -> str:
        return f"Character MLP {self.context}·{self.characters}-{self.hidden}"
