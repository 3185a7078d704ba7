"""Copies of a network’s weights: the best so far, and the last that were looked at."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


def copy_of(network: nn.Module) -> dict[str, Tensor]:
    """Its weights and buffers as they are now."""
    return {name: value.clone() for name, value in network.state_dict().items()}


class LastCopy:
    """A copy of a network's weights that is taken again and again, in the same memory: asking for memory costs more
    than copying. ``weights`` as :func:`copy_of` gives them."""

    def __init__(self, network: nn.Module) -> None:
        self.weights = copy_of(network)
        # The variables themselves: compiled steps give them other memory.
        self._variables = [*network.state_dict(keep_vars=True).values()]

    def take(self) -> None:
        """Makes it the weights of this moment."""
        with torch.no_grad():
            torch._foreach_copy_([*self.weights.values()], self._variables)


@dataclass
class Best:
    """By its accuracy on the validation split."""

    accuracy: float = -1.0
    step: int = 0
    epoch: int = 0
    waited: int = 0  # looks since then
    weights: dict[str, Tensor] = field(default_factory=dict)

    def compare(self, accuracy: float, step: int, epoch: int, network: nn.Module) -> None:
        """With the network as it is now."""
        self.waited += 1
        if accuracy > self.accuracy:
            self.accuracy, self.step, self.epoch, self.waited, self.weights = accuracy, step, epoch, 0, copy_of(network)
