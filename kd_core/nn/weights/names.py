"""Names of the tensors of a state dict in other libraries, and the tensors under the names of a network here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from kd_core.files.limits import RefusedError, quoted
from kd_core.models import Model
from kd_core.nn.weights import transformers

LISTED = 3  # differences that an error lists
# What wrappers put before the names, such as DataParallel, torch.compile and trainers.
PREFIXES = ("module.", "_orig_mod.", "model.", "backbone.", "network.", "net.", "teacher.", "student.")
COUNTER = "num_batches_tracked"  # of batch normalisation; many files lack it, and nothing depends on it


@dataclass(frozen=True)
class Source:
    """Names that one library gives the tensors of a network.

    Attributes:
        title: The library, or "this program".
        names: Name there, by the name here.
        reshapes: Whether shapes may differ where rows and numbers are as many, as of 1 × 1 convolutions.
        epsilons: By name of a running variance, what the library adds to it more than is added here.
    """

    title: str
    names: Mapping[str, str]
    reshapes: bool = False
    epsilons: Mapping[str, float] = field(default_factory=dict)


def to_own_names(
    state: Mapping[str, Tensor], model: Model, shape: tuple[int, ...], classes: int, expected: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the tensors of a file by the names of the network, float32.

    Prefixes are removed where that helps; names of torchvision, timm and transformers are translated.

    Args:
        state: Tensors by the names in the file.
        model: The network.
        shape: Of one input.
        classes: Number of logits.
        expected: Its state, on the meta device.

    Raises:
        RefusedError: with the first differences, of the first kind that occurs.
    """
    clean = transformers.to_torchvision(_without_prefixes(state, expected))
    source = best_source(clean, model, shape, classes, expected)
    result: dict[str, Tensor] = {}
    _check_names(clean, source, expected, model)
    for key, target in expected.items():
        value = clean.get(source.names[key])
        if value is None:
            result[key] = torch.zeros(target.shape, dtype=target.dtype)
            continue
        if source.reshapes and value.numel() == target.numel() and value.shape[:1] == target.shape[:1]:
            value = value.reshape(target.shape)
        result[key] = value.float() if value.is_floating_point() else value
        if key in source.epsilons:
            result[key] = result[key] + source.epsilons[key]
    _check_values(result, source, expected, model, classes)
    return result


def best_source(
    state: Mapping[str, Tensor], model: Model, shape: tuple[int, ...], classes: int, expected: Mapping[str, Tensor]
) -> Source:
    """Return the library whose names the file has most of; this program's names where none has more."""
    sources = [Source("this program", {key: key for key in expected})]
    if not expected.keys() <= state.keys():
        sources += [Source("torchvision", names) for names in model.foreign_names(shape, classes)]
        best = max(sources, key=lambda source: _matching(source, state))
        if len(sources) > 1 and _matching(best, state) < len(state) and model.timm_name():
            with torch.device("meta"):
                network = model.build(shape, classes)
            sources += timm_source(model.timm_name(), sources[1].names, network, shape[0], classes)
    return max(sources, key=lambda source: _matching(source, state))


def _matching(source: Source, state: Mapping[str, Tensor]) -> int:
    return len(set(source.names.values()) & state.keys())


def _without_prefixes(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors with their names as short as wrappers have found them."""
    clean = dict(state)
    while not expected.keys() <= clean.keys():
        shorter: dict[str, Tensor] = {}
        for key, value in clean.items():
            prefix = next((prefix for prefix in PREFIXES if key.startswith(prefix)), "")
            shorter[key.removeprefix(prefix)] = value
        if len(shorter) < len(clean) or shorter.keys() == clean.keys():
            break
        clean = shorter
    return clean


def timm_source(
    name: str, torchvision: Mapping[str, str], network: nn.Module, channels: int, classes: int
) -> list[Source]:
    """Return the names in timm, which has the same layers in the same order; nothing where timm is not installed.

    Tensors with equally many rows and numbers are paired in the order in which the networks define them.
    """
    try:
        import timm
    except ImportError:
        return []
    with torch.device("meta"):
        theirs: nn.Module = timm.create_model(name, num_classes=classes, in_chans=channels)
    queues: dict[tuple[str, int, int], list[str]] = {}
    for key, tensor in theirs.state_dict().items():
        queues.setdefault(_signature(key, tensor), []).append(key)
    names: dict[str, str] = {}
    expected = network.state_dict()
    for key in torchvision:  # in the order of torchvision's network
        queue = queues.get(_signature(key, expected[key]))
        if queue:
            names[key] = queue.pop(0)
    if names.keys() != expected.keys() or any(queues.values()):
        return []
    here, there = _epsilons(network), _epsilons(theirs)
    epsilons = {key: there[names[key]] - epsilon for key, epsilon in here.items() if there[names[key]] != epsilon}
    return [Source("timm", names, reshapes=True, epsilons=epsilons)]


def _epsilons(network: nn.Module) -> dict[str, float]:
    """Return what batch normalisation adds to each running variance, by its name."""
    return {
        f"{path}.running_var": float(module.eps)
        for path, module in network.named_modules()
        if hasattr(module, "running_var")
    }


def _signature(key: str, tensor: Tensor) -> tuple[str, int, int]:
    kind = key.rpartition(".")[2] if key.rpartition(".")[2] in (COUNTER, "running_mean", "running_var") else ""
    rows = tensor.shape[0] if tensor.dim() else 0
    return kind, rows, math.prod(tensor.shape)


def _check_names(state: Mapping[str, Tensor], source: Source, expected: Mapping[str, Tensor], model: Model) -> None:
    label = model.label()
    remedy = f"give weights of this {label}, or choose the network that they were trained in."
    missing = [quoted(source.names[key]) for key in expected if source.names[key] not in state and COUNTER not in key]
    if missing:
        raise RefusedError(f"it lacks {first(missing)} of {len(expected)} tensors: {remedy}")
    unknown = [quoted(key) for key in state if key not in set(source.names.values())]
    if unknown:
        raise RefusedError(f"the network has no {first(unknown)}: {remedy}")


def _check_values(
    state: Mapping[str, Tensor], source: Source, expected: Mapping[str, Tensor], model: Model, classes: int
) -> None:
    head = head_of(expected)
    if head and state[head].dim() == 2 and state[head].shape[0] != classes == expected[head].shape[0]:
        raise RefusedError(
            f"its last layer {quoted(source.names[head])} has {state[head].shape[0]:,} classes, and these data have "
            f"{classes}: give weights that were trained on the classes of these data."
        )
    remedy = f"give weights of this {model.label()}, or choose the network that they were trained in."
    differences = [
        f"{quoted(source.names[key])} is {format_shape(state[key])} in the file and {format_shape(value)} in the "
        "network"
        for key, value in expected.items()
        if state[key].shape != value.shape
    ]
    if differences:
        raise RefusedError(f"shapes differ: {first(differences)}; {remedy}")
    for key, value in expected.items():
        name = quoted(source.names[key])
        if state[key].dtype != (torch.float32 if value.is_floating_point() else value.dtype):
            raise RefusedError(f"{name} is of type {state[key].dtype}: save it as {value.dtype}.")
        if not state[key].isfinite().all():
            raise RefusedError(f"{name} holds infinite values or NaN: save the weights of another epoch.")


def head_of(state: Mapping[str, Tensor]) -> str:
    """Return the name of the weight of the last layer, the last matrix of a state; empty without any."""
    return next((key for key in reversed([*state]) if key.endswith("weight") and state[key].dim() == 2), "")


def reorder_head(state: Mapping[str, Tensor], order: tuple[int, ...]) -> dict[str, Tensor]:
    """Return a state whose last layer has its outputs in another order, the k-th logit being that of ``order[k]``."""
    head = head_of(state)
    if not order or not head:
        return dict(state)
    bias = head.removesuffix("weight") + "bias"
    changed = {key: state[key][list(order)].contiguous() for key in (head, bias) if key in state}
    return {**state, **changed}


def first(items: list[str]) -> str:
    """Return the first items of a list in a sentence, and how many more there are."""
    more = len(items) - LISTED
    return ", ".join(items[:LISTED]) + (f" and {more} more" if more > 0 else "")


def format_shape(value: Tensor) -> str:
    """Return a shape as text, such as 32 × 4."""
    return " × ".join(map(str, value.shape)) if value.dim() else "one number"
