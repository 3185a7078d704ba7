"""A frozen teacher at work: its answers and features for the examples that a student is shown."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from kd_core.taps import tapped

CHUNK = 4096  # examples per forward pass where nothing is learned
FITS = 512_000_000  # bytes of features that are kept


def answers(network: nn.Module, inputs: Tensor) -> Tensor:
    """Logits (N, K) of a network in eval mode, float32, without gradient. Its mode is as before afterwards."""
    return asked(network, inputs, {})[0]


def asked(network: nn.Module, inputs: Tensor, paths: Mapping[str, str]) -> tuple[Tensor, dict[str, Tensor]]:
    """Logits (N, K) and the features (N, ...) at some taps, otherwise like :func:`answers`."""
    was_training = network.training
    network.eval()
    logits, features = [], []
    with torch.no_grad(), tapped(network, paths) as seen:
        for chunk in torch.split(inputs, CHUNK):
            logits.append(network(chunk).float())
            features.append({tap: seen[tap].float() for tap in paths})
    network.train(was_training)
    return torch.cat(logits), {tap: torch.cat([some[tap] for some in features]) for tap in paths}


def freeze(network: nn.Module) -> nn.Module:
    """The one place where a network becomes a teacher: eval mode, no gradients."""
    return network.eval().requires_grad_(False)


class Teaching:
    """What a teacher says of ``inputs``, which it sees exactly as the student does.

    The views are fixed, so it answers once; features that do not fit into :data:`FITS` bytes are asked for at every
    batch.
    """

    def __init__(self, teacher: nn.Module, inputs: Tensor, paths: Mapping[str, str]) -> None:
        self.teacher, self.inputs, self.paths = teacher, inputs, paths
        _, first = asked(teacher, inputs[:1], paths)
        size = 4 * len(inputs) * sum(math.prod(features.shape) for features in first.values())
        self.is_kept = size <= FITS
        self.logits, self.features = asked(teacher, inputs, paths if self.is_kept else {})

    def of(self, rows: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits and features by tap of the examples ``rows``."""
        if self.is_kept:
            return self.logits[rows], {tap: features[rows] for tap, features in self.features.items()}
        return self.logits[rows], asked(self.teacher, self.inputs[rows], self.paths)[1]
