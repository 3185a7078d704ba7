"""Forward passes in evaluation mode, in batches and without gradients."""

from __future__ import annotations

from collections.abc import Mapping
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from kd_core.nn.hooks import tapped

CHUNK = 4096  # examples per forward pass where nothing is learned


PIECE = 32_000_000  # bytes of inputs per forward pass: what a network makes of them is many times that


WITHOUT_MODES = {nn.Sequential, nn.Flatten, nn.Linear, nn.Conv2d, nn.GroupNorm, nn.MaxPool2d, nn.ReLU, nn.Tanh, nn.GELU}


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
