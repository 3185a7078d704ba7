"""What is inside a network: its taps, named places whose features can be read while it answers."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from kd_core.models import Model

Shape = tuple[int, ...]  # of one example's features: (C, H, W) of maps, (D,) of a vector

LOGITS = "logits"  # what comes out at the end; every network has it
EMBEDDING = "embedding"  # the vector (D,) that the last, linear layer turns into logits


@contextmanager
def record_features(network: nn.Module, paths: Mapping[str, str]) -> Iterator[dict[str, Tensor]]:
    """While open, every forward pass writes the output of the modules at ``paths`` into the dictionary, by tap."""
    seen: dict[str, Tensor] = {}
    hooks = [add_feature_hook(network, path, tap, seen) for tap, path in paths.items()]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def add_feature_hook(
    network: nn.Module, path: str, layer: str, features: dict[str, Tensor]
) -> torch.utils.hooks.RemovableHandle:
    """A forward hook on one module, which keeps its latest output in ``seen[tap]``."""

    def keep(_: nn.Module, __: object, output: Tensor) -> None:
        features[layer] = output

    return network.get_submodule(path).register_forward_hook(keep)


@functools.lru_cache(maxsize=512)
def feature_shapes(model: Model, shape: Shape, classes: int) -> Mapping[str, Shape]:
    """The shape of every tap for one input of ``shape``, logits last. Nothing is computed, no number drawn."""
    with torch.device("meta"):
        network = model.build(shape, classes).eval()
        with record_features(network, model.feature_layers()) as seen, torch.no_grad():
            logits = network(torch.empty(2, *shape))
    return {tap: tuple(seen[tap].shape[1:]) for tap in model.feature_layers()} | {LOGITS: tuple(logits.shape[1:])}


def select_layers(paths: Mapping[str, str], layers: Iterable[str]) -> dict[str, str]:
    """The paths of some taps; logits need none."""
    return {tap: paths[tap] for tap in dict.fromkeys(layers) if tap in paths}


def format_shape(shape: Shape) -> str:
    """As a reader writes it: 32 × 4 × 4."""
    return " × ".join(map(str, shape))
