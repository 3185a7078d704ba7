"""A frozen teacher at work: its answers and features for the examples that a student is shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from kd_core.batches import Batch, Examples
from kd_core.compute import Compute
from kd_core.taps import tapped

CHUNK = 4096  # examples per forward pass where nothing is learned
PIECE = 32_000_000  # bytes of inputs per forward pass: what a network makes of them is many times that
WITHOUT_MODES = {nn.Sequential, nn.Flatten, nn.Linear, nn.Conv2d, nn.GroupNorm, nn.MaxPool2d, nn.ReLU, nn.Tanh, nn.GELU}
FITS = 512_000_000  # bytes of features that are kept


def answers(network: nn.Module, inputs: Tensor) -> Tensor:
    """Logits (N, K) of a network in eval mode, float32, without gradient, on the network's device.

    Its mode is as before afterwards; inputs (N, ...) from elsewhere come piece by piece.
    """
    return asked(network, inputs, {})[0]


def asked(network: nn.Module, inputs: Tensor, paths: Mapping[str, str]) -> tuple[Tensor, dict[str, Tensor]]:
    """Logits (N, K) and the features (N, ...) at some taps, otherwise like :func:`answers`."""
    was_training, modes = network.training, has_modes(network)
    if modes:
        network.eval()
    device = next((p.device for p in network.parameters()), inputs.device)
    size = max(1, min(CHUNK, PIECE * len(inputs) // max(1, inputs.nbytes)))
    logits, features = [], []
    with torch.no_grad(), tapped(network, paths) as seen:
        for chunk in torch.split(inputs, size) if len(inputs) > size else (inputs,):
            logits.append(network(chunk.to(device)).float())
            features.append({tap: seen[tap].float() for tap in paths})
    if modes and was_training:
        network.train()
    if len(logits) == 1:
        return logits[0], features[0]
    return torch.cat(logits), {tap: torch.cat([some[tap] for some in features]) for tap in paths}


def has_modes(network: nn.Module) -> bool:
    """Whether it may answer otherwise while it learns. Switching the mode of a network takes longer than a small one
    needs to answer."""
    if network not in _has_modes:
        _has_modes[network] = any(type(module) not in WITHOUT_MODES for module in network.modules())
    return _has_modes[network]


_has_modes: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()


def freeze(network: nn.Module) -> nn.Module:
    """The one place where a network becomes a teacher: eval mode, no gradients."""
    return network.eval().requires_grad_(False)


class Teaching:
    """What a teacher says of the ``examples`` of a phase, which it sees exactly as the student does.

    Where their views are fixed, it answers once. Features that do not fit into :data:`FITS` bytes, and views that
    change, are asked for at every batch.
    """

    def __init__(self, teacher: nn.Module, examples: Examples, paths: Mapping[str, str], compute: Compute) -> None:
        self.teacher, self.examples, self.paths, self.compute = teacher, examples, paths, compute
        _, first = self._asked(examples.inputs[:1], paths)
        size = 4 * len(examples) * sum(math.prod(features.shape) for features in first.values())
        self.is_kept = examples.is_fixed and size <= FITS
        if examples.is_fixed:
            self.logits, self.features = self._asked(examples.inputs, paths if self.is_kept else {})

    def of(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits and features by tap of a batch."""
        if self.is_kept:
            return self.logits[batch.rows], {tap: features[batch.rows] for tap, features in self.features.items()}
        logits, features = self._asked(batch.inputs, self.paths)
        return self.logits[batch.rows] if self.examples.is_fixed else logits, features

    def clean(self) -> Tensor:
        """Logits (N, K) of all examples as they are without augmentation."""
        return self.logits if self.examples.is_fixed else self._asked(self.examples.inputs, {})[0]

    def _asked(self, inputs: Tensor, paths: Mapping[str, str]) -> tuple[Tensor, dict[str, Tensor]]:
        with self.compute.autocast(self.examples.device):
            return asked(self.teacher, inputs, paths)
