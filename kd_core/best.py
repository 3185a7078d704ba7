"""The best weights of a network so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn


def copy_of(network: nn.Module) -> dict[str, Tensor]:
    """Its weights and buffers as they are now."""
    return {name: value.clone() for name, value in network.state_dict().items()}


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
