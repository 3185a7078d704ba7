"""Forward passes in evaluation mode, in batches and without gradients."""

from __future__ import annotations

from collections.abc import Mapping
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from kd_core.nn.hooks import last_linear, record_features

MAX_EXAMPLES = 4096  # per forward pass
MAX_INPUT_BYTES = 32_000_000  # per forward pass; the features take many times as much
# Modules that compute the same in train and eval mode.
WITHOUT_MODES = {nn.Sequential, nn.Flatten, nn.Linear, nn.Conv2d, nn.GroupNorm, nn.MaxPool2d, nn.ReLU, nn.Tanh, nn.GELU}


def predict_logits(network: nn.Module, inputs: Tensor) -> Tensor:
    """Return logits (N, ..., K) of a network in eval mode, float32, without gradient, on the network's device.

    The network's mode is restored; inputs (N, ...) on another device are copied batch by batch.
    """
    return predict_with_features(network, inputs, {})[0]


def can_predict(network: nn.Module, inputs: Tensor) -> bool:
    """Return whether a network has logits for all these inputs; a table of given logits may not."""
    covers = getattr(network, "covers", None)
    return covers is None or bool(covers(inputs))


def predict_with_features(
    network: nn.Module, inputs: Tensor, paths: Mapping[str, str]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return logits (N, ..., K) and the features (N, ...) of some layers, otherwise like :func:`predict_logits`."""
    was_training, modes = network.training, depends_on_mode(network)
    if modes:
        network.eval()
    device = next((p.device for p in network.parameters()), inputs.device)
    most = getattr(network, "max_examples", MAX_EXAMPLES)
    size = max(1, min(most, MAX_INPUT_BYTES * len(inputs) // max(1, inputs.nbytes)))
    logits, features = [], []
    with torch.no_grad(), record_features(network, paths) as recorded:
        for chunk in torch.split(inputs, size) if len(inputs) > size else (inputs,):
            logits.append(network(chunk.to(device)).float())
            features.append({layer: recorded[layer].float() for layer in paths})
    if modes and was_training:
        network.train()
    if len(logits) == 1:
        return logits[0], features[0]
    return torch.cat(logits), {layer: torch.cat([batch[layer] for batch in features]) for layer in paths}


def depends_on_mode(network: nn.Module) -> bool:
    """Return whether the network may compute something else in train mode.

    Switching the mode takes longer than a forward pass of a small network.
    """
    if network not in _has_modes:
        _has_modes[network] = any(type(module) not in WITHOUT_MODES for module in network.modules())
    return _has_modes[network]


_has_modes: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()


def probed(network: nn.Module) -> nn.Module:
    """Prepare a network of which the last linear layer alone is trained, the others in eval mode."""
    freeze(network)
    last = last_linear(network)
    assert last is not None, "the plan was checked"
    last.requires_grad_(True)
    return network


def freeze(network: nn.Module) -> nn.Module:
    """Prepare a network as a teacher, in eval mode and without gradients. Teachers are prepared nowhere else."""
    return network.eval().requires_grad_(False)
