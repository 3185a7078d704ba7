"""Weights that a user brings for a network of a known family: safetensors, compared tensor by tensor, never a pickle.

A safetensors file begins with the length of its header (8 bytes, little endian) and the header, a JSON object that
gives each tensor's dtype, shape and place: https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from kd_core.files.content_store import ContentStore
from kd_core.files.limits import RefusedError, printable, quoted
from kd_core.files.uploads.file_type import PICKLE, PICKLES, ZIP
from kd_core.models import Model

LARGEST = 2_000_000_000  # bytes of a file
HEADER = 10_000_000  # bytes of its header: some hundred thousand tensors
SHOWN = 3  # differences that a refusal names
FLOATS = ("F32", "F16", "BF16")
NAMES = {torch.int64: "I64", torch.int32: "I32", torch.uint8: "U8", torch.bool: "BOOL"}  # as the header calls them

_shelf = ContentStore("weights")


@dataclass(frozen=True)
class Weights:
    """What is known of one file without reading its tensors."""

    id: str  # 32 hexadecimal digits, a digest of what is kept
    name: str  # of the file, as it was called first
    label: str  # of the network: "MLP 64"
    model: str  # Model.to_dict() as JSON, its keys sorted
    shape: tuple[int, ...]  # of one input
    classes: int


def add(name: str, blob: bytes, model: Model, shape: tuple[int, ...], classes: int) -> str:
    """Checks and keeps a safetensors file called ``name`` for the network that ``model`` builds; its id.

    Every tensor of the network's state must be there in its shape, and no other. float16, bfloat16 and float32 are kept
    as float32. Raises ValueError with one sentence; nothing is kept then.
    """
    called = printable(name)[-120:] or "weights"
    try:
        expected = _expected(model, shape, classes)
        _compare(_header(blob), expected, model.label())
        try:
            found = safetensors.torch.load(blob)
        except Exception as error:  # safetensors raises its own type, which it does not document
            raise RefusedError("it is damaged or incomplete: save it again.") from error
        tensors = {key: value.float() if value.is_floating_point() else value for key, value in found.items()}
        for key, value in tensors.items():
            if not value.isfinite().all():
                raise RefusedError(f"{quoted(key)} holds infinite values or NaN: save the weights of another epoch.")
        facts = {
            "label": model.label(),
            "model": _described(model),
            "shape": json.dumps(list(shape)),
            "classes": json.dumps(classes),
        }
        return _shelf.put(tensors, facts, called)
    except RefusedError as error:
        raise ValueError(f"{called}: {error}") from error


def load(key: str) -> dict[str, Tensor]:
    """The state of a network, float32, for ``load_state_dict``. Raises ValueError where there is none of that id."""
    return _shelf.tensors(key)


def find(key: str) -> Weights | None:
    """One file, or None if there is none of that id on this machine, whatever ``key`` is."""
    facts = _shelf.metadata(key)
    if facts is None:
        return None
    try:
        shape, classes = tuple(json.loads(facts["shape"])), int(json.loads(facts["classes"]))
        return Weights(key, facts["name"], facts["label"], facts["model"], shape, classes)
    except (KeyError, ValueError, TypeError):  # somebody else's file
        return None


def list_all() -> list[Weights]:
    """All weights on this machine, newest first."""
    return [weights for key in _shelf.ids() if (weights := find(key)) is not None]


def find_matching(model: Model, shape: tuple[int, ...], classes: int) -> list[Weights]:
    """Those that were added for exactly such a network, newest first."""
    wanted = _described(model), tuple(shape), classes
    return [weights for weights in list_all() if (weights.model, weights.shape, weights.classes) == wanted]


def remove(key: str) -> None:
    """Forgets one file; nothing happens where there is none. Raises ValueError for what is no id."""
    _shelf.remove(key)


def export(network: nn.Module) -> bytes:
    """The state of a network as :func:`add` takes it."""
    return safetensors.torch.save(
        {key: value.detach().cpu().contiguous().clone() for key, value in network.state_dict().items()}
    )


def _described(model: Model) -> str:
    return json.dumps(model.to_dict(), sort_keys=True)


def _expected(model: Model, shape: tuple[int, ...], classes: int) -> dict[str, Tensor]:
    """The state of such a network, without memory for its values."""
    if refusal := model.unsupported_reason(shape):
        raise RefusedError(f"a {model.title} {refusal}: choose another network.")
    with torch.device("meta"):
        return model.build(shape, classes).state_dict()


def _header(blob: bytes) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Type and shape of every tensor, from the header alone."""
    if blob.startswith((*PICKLES, *ZIP)):  # torch.save writes a ZIP with a pickle in it
        raise RefusedError(PICKLE)
    if len(blob) > LARGEST:
        raise RefusedError(f"it is larger than {LARGEST / 1e9:g} GB: give a smaller file.")
    length = int.from_bytes(blob[:8], "little")
    if len(blob) < 10 or length > len(blob) - 8:
        raise RefusedError("it is no safetensors file, or its end is missing: save the weights as safetensors.")
    if length > HEADER:
        raise RefusedError(f"its header is longer than {HEADER / 1e6:g} MB: save the weights of one network alone.")
    try:
        header = json.loads(blob[8 : 8 + length].decode(), object_pairs_hook=_without_twins)
        if not isinstance(header, dict):
            raise TypeError
        header.pop("__metadata__", None)
        return {key: _declared(entry, len(blob) - 8 - length) for key, entry in header.items()}
    except RefusedError:
        raise
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise RefusedError("its header cannot be read: save the weights as safetensors.") from error


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise RefusedError("its header names a tensor twice: save the weights again.")
    return found


def _declared(entry: Any, size: int) -> tuple[str, tuple[int, ...]]:
    """Raises ValueError, TypeError or KeyError for what is no description of a tensor within ``size`` bytes."""
    dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    whole = [*shape, begin, end]
    if not isinstance(dtype, str) or not all(type(number) is int and 0 <= number <= LARGEST for number in whole):
        raise TypeError
    if not begin <= end <= size or len(shape) > 8:
        raise ValueError
    return dtype, tuple(shape)


def _compare(given: dict[str, tuple[str, tuple[int, ...]]], expected: dict[str, Tensor], label: str) -> None:
    """Raises RefusedError with the first differences, of the first kind there are."""
    fitting = f"give weights of this {label}, or choose the network that they were trained in."
    if missing := [quoted(key) for key in expected if key not in given]:
        raise RefusedError(f"it lacks {_first(missing)} of {len(expected)} tensors: {fitting}")
    if unknown := [quoted(key) for key in given if key not in expected]:
        raise RefusedError(f"the network has no {_first(unknown)}: {fitting}")
    other = [
        f"{quoted(key)} is {_shown(given[key][1])} in the file and {_shown(tuple(value.shape))} in the network"
        for key, value in expected.items()
        if given[key][1] != tuple(value.shape)
    ]
    if other:
        raise RefusedError(f"shapes differ: {_first(other)}; {fitting}")
    for key, value in expected.items():
        allowed = FLOATS if value.is_floating_point() else (NAMES[value.dtype],)
        if given[key][0] not in allowed:
            raise RefusedError(f"{quoted(key)} is of type {quoted(given[key][0])}: save it as {' or '.join(allowed)}.")


def _first(items: list[str]) -> str:
    more = len(items) - SHOWN
    return ", ".join(items[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _shown(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) if shape else "one number"
