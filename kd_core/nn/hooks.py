"""Forward hooks that record the outputs of named layers, and feature shapes on the meta device."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from kd_core.models import Model

Shape = tuple[int, ...]  # of one example's features: (C, H, W) of maps, (D,) of a vector

LOGITS = "logits"  # the output of every network
EMBEDDING = "embedding"  # the input (D,) of the last, linear layer
BOXES = "boxes"  # the distributions (cells, 4 · bins) of the box sides of a detector


@contextmanager
def record_features(network: nn.Module, paths: Mapping[str, str]) -> Iterator[dict[str, Tensor]]:
    """Record the output of the modules at ``paths`` (by layer name) at every forward pass within the context."""
    features: dict[str, Tensor] = {}
    hooks = [add_feature_hook(network, path, layer, features) for layer, path in paths.items()]
    try:
        yield features
    finally:
        for hook in hooks:
            hook.remove()


def add_feature_hook(
    network: nn.Module, path: str, layer: str, features: dict[str, Tensor]
) -> torch.utils.hooks.RemovableHandle:
    """Add a forward hook to one module that stores its latest output in ``features[layer]``."""

    def store(_: nn.Module, __: object, output: Tensor) -> None:
        # Where a network flattens by a function, the last module before that is hooked.
        features[layer] = output.flatten(1) if layer == EMBEDDING else output

    return network.get_submodule(path).register_forward_hook(store)


@functools.lru_cache(maxsize=512)
def feature_shapes(model: Model, shape: Shape, classes: int) -> Mapping[str, Shape]:
    """Return the shape of every named layer for one input of ``shape``, logits last, without computing anything."""
    return model.layer_shapes(shape) or _shapes(model, shape, classes, model.feature_layers())


@functools.lru_cache(maxsize=512)
def attention_shapes(model: Model, shape: Shape, classes: int) -> Mapping[str, Shape]:
    """Return heads and lengths (heads, L, L) of the attention maps of every named layer that has some."""
    paths = model.attention_layers()
    shapes = _shapes(model, shape, classes, paths) if paths else {}
    return {layer: shapes[layer] for layer in paths}


def _shapes(model: Model, shape: Shape, classes: int, paths: Mapping[str, str]) -> dict[str, Shape]:
    with torch.device("meta"):
        network = model.build(shape, classes).eval()
        with record_features(network, paths) as features, torch.no_grad():
            logits = network(torch.empty(2, *shape))
    return {layer: tuple(features[layer].shape[1:]) for layer in paths} | {LOGITS: tuple(logits.shape[1:])}


def last_linear(network: nn.Module) -> nn.Linear | None:
    """Return the last linear layer of a network, which turns the embedding into logits; None without one."""
    layers = [module for module in network.modules() if isinstance(module, nn.Linear)]
    return layers[-1] if layers else None


def select_layers(paths: Mapping[str, str], layers: Iterable[str]) -> dict[str, str]:
    """Return the paths of some layers; logits have none."""
    return {layer: paths[layer] for layer in dict.fromkeys(layers) if layer in paths}


def format_shape(shape: Shape) -> str:
    """Return a shape as text, such as 32 × 4 × 4."""
    return " × ".join(map(str, shape))
