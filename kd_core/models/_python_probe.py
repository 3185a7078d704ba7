"""Forward passes that find out what a module given from Python computes, and what is wrong with it."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kd_core.models._python_modules import FunctionNetwork

EMBEDDING = "embedding"


@dataclass(frozen=True)
class Facts:
    """What a forward pass found out about a network.

    Attributes:
        paths: Module path of every layer that can be matched, in the order in which they are computed, and "embedding".
        shapes: Shapes of their features, without the batch dimension.
        logits: Shape of the output of the network, without the batch dimension.
        reason: Why the network cannot be used, as the end of a sentence; empty if it can.
        training_reason: Why it cannot be trained.
    """

    paths: dict[str, str] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    logits: tuple[int, ...] = ()
    reason: str = ""
    training_reason: str = ""


def examine(sample: nn.Module, inputs: Tensor) -> Facts:
    """Run a copy of a network forward in eval mode and in train mode, and see what it does."""
    network = copy.deepcopy(sample).eval()
    recorded: dict[str, tuple[nn.Module, Tensor | None, Tensor | None, int]] = {}
    modules = {path: module for path, module in network.named_modules() if path}
    hooks = [module.register_forward_hook(_recorder(recorded, path, module)) for path, module in modules.items()]
    before, original = {name: value.clone() for name, value in network.state_dict().items()}, inputs.clone()
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            output = network(inputs)
    except Exception as error:
        message = " ".join(str(error).split())[:200]
        return Facts(reason=f"cannot compute inputs of shape {tuple(inputs.shape)} ({type(error).__name__}: {message})")
    finally:
        for hook in hooks:
            hook.remove()
    if isinstance(network, FunctionNetwork) and not network.covers(inputs):
        return Facts(reason="has logits for other examples than these")
    if reason := _output_reason(output, len(inputs)):
        return Facts(reason=reason)
    if not torch.equal(original, inputs):
        return Facts(reason="changes its inputs in place, and other networks read the same ones: let it copy them")
    if changed := _changed(network, before, buffers=True):
        return Facts(reason=f"changes its {changed} in evaluation, when nothing may be learned")
    paths, shapes = _layers(recorded, output, inputs)
    return Facts(paths, shapes, tuple(output.shape[1:]), training_reason=_training_reason(sample, inputs, output.shape))


def _output_reason(output: object, count: int) -> str:
    if isinstance(output, np.ndarray):
        return "returns a numpy array: it must return a tensor"
    if not isinstance(output, Tensor):
        return f"returns a {type(output).__name__}: it must return the logits alone, one tensor"
    if output.dim() != 2 or len(output) != count:
        shape = tuple(output.shape)
        return f"returns a tensor of shape {shape} for {count} examples: it must return logits (N, K)"
    if not output.is_floating_point():
        return f"returns numbers of type {output.dtype}: logits are real numbers"
    if not output.isfinite().all():
        return "returns NaN or infinite logits for the first examples"
    return ""


def _training_reason(sample: nn.Module, inputs: Tensor, shape: torch.Size) -> str:
    """Return why a network cannot be trained, as the end of a sentence; empty if it can."""
    if isinstance(sample, FunctionNetwork):
        return "has no parameters, and so cannot be trained"
    network = copy.deepcopy(sample).train()
    if not any(parameter.requires_grad for parameter in network.parameters()):
        network.requires_grad_(True)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    try:
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            output = network(inputs)
    except Exception as error:
        message = " ".join(str(error).split())[:200]
        return f"cannot be computed in train mode ({type(error).__name__}: {message})"
    if not isinstance(output, Tensor) or output.shape != shape:
        return "returns something else in train mode: it must return the logits alone in both modes"
    if changed := _changed(network, before, buffers=False):
        return f"changes its {changed} during a forward pass: the optimiser alone may do that"
    if not output.requires_grad:
        return "gives no gradient: its logits do not depend on parameters that require one"
    return ""


def _changed(network: nn.Module, before: Mapping[str, Tensor], *, buffers: bool) -> str:
    """Return the name of a parameter, or with ``buffers`` of any tensor, that has changed; empty if none has."""
    names = before if buffers else dict(network.named_parameters())
    state = network.state_dict()
    return next((name for name in names if name in before and not torch.equal(state[name], before[name])), "")


def _recorder(
    recorded: dict[str, tuple[nn.Module, Tensor | None, Tensor | None, int]], path: str, module: nn.Module
) -> Callable[..., None]:
    def record(_: nn.Module, inputs: tuple[Any, ...], output: object) -> None:
        count = recorded.pop(path)[3] if path in recorded else 0
        first = inputs[0] if inputs and isinstance(inputs[0], Tensor) else None
        recorded[path] = module, first, output if isinstance(output, Tensor) else None, count + 1

    return record


def _layers(
    recorded: Mapping[str, tuple[nn.Module, Tensor | None, Tensor | None, int]], logits: Tensor, inputs: Tensor
) -> tuple[dict[str, str], dict[str, tuple[int, ...]]]:
    """Return paths and shapes of the layers between inputs and logits that are computed once, and of the embedding."""
    paths: dict[str, str] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    embedding = ""
    for path, (module, first, output, count) in recorded.items():
        if output is None or count > 1 or output.dim() not in (2, 4) or len(output) != len(inputs):
            continue
        if output.data_ptr() == logits.data_ptr():
            if isinstance(module, nn.Linear) and first is not None and first.dim() == 2:
                embedding = next((name for name, (_, _, value, _) in recorded.items() if _is_same(value, first)), "")
            continue
        if output.data_ptr() != inputs.data_ptr():
            paths[path], shapes[path] = path, tuple(output.shape[1:])
    if embedding in paths:
        paths[EMBEDDING], shapes[EMBEDDING] = embedding, (math.prod(shapes[embedding]),)
    return paths, shapes


def _is_same(value: Tensor | None, other: Tensor) -> bool:
    """Return whether two tensors are the same numbers in memory, perhaps in another shape."""
    return value is not None and value.data_ptr() == other.data_ptr() and value.numel() == other.numel()
