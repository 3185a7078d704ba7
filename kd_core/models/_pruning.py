"""Pruning of trained networks, weight by weight or by whole channels, by magnitude."""

from __future__ import annotations

import copy
import importlib.util
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils import prune as torch_prune

WEIGHTS, CHANNELS = "weights", "channels"
KINDS = (CHANNELS, WEIGHTS)
MOST = 0.95  # of the weights or channels
NEEDS_PACKAGE = (
    "Removing whole channels needs torch-pruning, which is not installed here: "
    'pip install "distillery-lab[compress]". Single weights can be removed without it.'
)


def can_prune(kind: str) -> bool:
    """Return whether this kind of pruning is possible here; that of channels needs torch-pruning."""
    return kind != CHANNELS or importlib.util.find_spec("torch_pruning") is not None


def prune(network: nn.Module, fraction: float, kind: str, inputs: Tensor) -> nn.Module:
    """Return a copy of a network, in eval mode on the CPU, without a fraction of its weights or channels.

    The result depends on the weights alone. Weights are removed by their absolute value among those of all linear and
    convolutional layers (global unstructured pruning) and become zeros. Channels are removed by the L2 norm of their
    weights, the same fraction of every layer but the last, and the layers become smaller. It is rounded up to a whole
    number of channels in every group of a group normalisation, in each of which one is left.

    Args:
        network: The network; it is not changed.
        fraction: Fraction of the weights or channels, from 0 to :data:`MOST`.
        kind: One of :data:`KINDS`.
        inputs: Two examples or more (B, ...), of which only the shape matters.

    Raises:
        ValueError: for another fraction or kind, and for a network of which nothing can be removed.
        ImportError: for channels, where torch-pruning is not installed.
    """
    if kind not in KINDS:
        raise ValueError(f"kind = {kind}: choose one of {', '.join(KINDS)}.")
    if not 0 <= fraction <= MOST:
        raise ValueError(f"fraction = {fraction:g}: choose a number from 0 to {MOST:g}.")
    pruned = _contiguous_copy(network)
    if not layers(pruned):
        raise ValueError("This network has no linear or convolutional layer, so nothing can be pruned.")
    if not fraction:
        return pruned
    if kind == WEIGHTS:
        _remove_weights(pruned, fraction)
    else:
        _remove_channels(pruned, fraction, inputs[:2].cpu())
    return pruned


def layers(network: nn.Module) -> list[nn.Linear | nn.Conv2d]:
    """Return the layers whose weights can be removed, from the input to the output."""
    return [module for module in network.modules() if isinstance(module, nn.Linear | nn.Conv2d)]


def count_parameters(network: nn.Module) -> int:
    """Return the number of parameters, zeros among them."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_nonzero(network: nn.Module) -> int:
    """Return the number of parameters that are not zero."""
    return sum(int(parameter.count_nonzero()) for parameter in network.parameters())


def keep_zeros(network: nn.Module) -> None:
    """Mask the gradients of weights that are zero, so that training keeps them at zero.

    A gradient of zero changes no weight of value zero, under any optimiser here: momentum begins at zero, and weight
    decay is proportional to the weight.
    """
    for layer in layers(network):
        zeros = layer.weight.detach() == 0
        if zeros.any() and layer.weight.requires_grad:
            layer.weight.register_hook(_masked_by(zeros))  # type: ignore[no-untyped-call]


def _masked_by(zeros: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda gradient: gradient.masked_fill(zeros.to(gradient.device), 0)


def _contiguous_copy(network: nn.Module) -> nn.Module:
    """Return a copy whose weights are in the default memory format; pruning views them as vectors."""
    duplicate = copy.deepcopy(network).cpu().eval()
    for module in duplicate.modules():
        for name, parameter in module.named_parameters(recurse=False):
            plain = parameter.detach().clone(memory_format=torch.contiguous_format)
            setattr(module, name, nn.Parameter(plain, parameter.requires_grad))
    return duplicate


def _remove_weights(network: nn.Module, fraction: float) -> None:
    places = [(layer, "weight") for layer in layers(network)]
    torch_prune.global_unstructured(places, pruning_method=torch_prune.L1Unstructured, amount=fraction)
    for layer, name in places:
        is_trained = getattr(layer, f"{name}_orig").requires_grad
        torch_prune.remove(layer, name)  # type: ignore[no-untyped-call]
        layer.weight.requires_grad_(is_trained)


def _remove_channels(network: nn.Module, fraction: float, inputs: Tensor) -> None:
    if not can_prune(CHANNELS):
        raise ImportError(NEEDS_PACKAGE)
    import torch_pruning

    # A frozen weight has no gradient function, and torch-pruning then finds no layers and prunes nothing.
    trained = {name: parameter.requires_grad for name, parameter in network.named_parameters()}
    network.requires_grad_(True)
    before, last = count_parameters(network), layers(network)[-1]
    # Of a layer of which nothing would be left, torch-pruning removes nothing.
    least = max((module.num_groups for module in network.modules() if isinstance(module, nn.GroupNorm)), default=1)
    ratios = {
        layer: min(fraction, 1 - (least + 1e-6) / count)  # also after rounding
        for layer in layers(network)
        if layer is not last and (count := layer.weight.shape[0]) > least
    }
    try:
        pruner = torch_pruning.pruner.BasePruner(
            network,
            inputs,
            importance=torch_pruning.importance.MagnitudeImportance(p=2),
            pruning_ratio=0.0,
            pruning_ratio_dict=ratios,
            ignored_layers=[last],
        )
        pruner.step()
        with torch.no_grad():
            network(inputs)
    except Exception as error:  # it documents no type
        raise ValueError(
            "The channels of this network cannot be removed, since torch-pruning cannot follow them through its "
            "layers: remove single weights."
        ) from error
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(trained[name])
    if count_parameters(network) == before:
        raise ValueError("No channel of this network can be removed: remove single weights.")
