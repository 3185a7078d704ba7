"""Base class of networks that predict the next character at every position of a text."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn


class CharacterNetwork(nn.Module):
    """Base class of networks from characters (B, L), whole numbers in float32, to logits (B, L, K).

    The logits at a position depend on the characters up to it, at most ``context`` of them. A subclass keeps the
    arguments of its constructor under their names, from which it is written as code.
    """

    longest = 0  # characters of a text, 0 for any number
    max_examples = 256  # per forward pass without gradient, since every position is a row of hidden units

    def __init__(self, classes: int, context: int) -> None:
        super().__init__()
        self.classes, self.context = classes, context

    @abstractmethod
    def forward(self, characters: Tensor) -> Tensor:
        """Return the logits (B, L, K) of the character after each position."""

    def last_logits(self, characters: Tensor) -> Tensor:
        """Return the logits (B, K) after the last position, from no more characters than matter."""
        logits: Tensor = self(characters[:, -self.context :])[:, -1]
        return logits


class PositionMaps(nn.Module):
    """States (B, L, D) of positions as maps (B, D, L, 1), for losses that hook it."""

    def forward(self, states: Tensor) -> Tensor:
        return states.transpose(1, 2)[..., None]
