"""Import and export of weights in safetensors files, checked tensor by tensor against the network.

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

MAX_FILE = 2_000_000_000  # bytes
MAX_HEADER = 10_000_000  # bytes, some hundred thousand tensors
LISTED = 3  # differences that an error lists
FLOATS = ("F32", "F16", "BF16")
NAMES = {torch.int64: "I64", torch.int32: "I32", torch.uint8: "U8", torch.bool: "BOOL"}  # as the header calls them

_store = ContentStore("weights")


@dataclass(frozen=True)
class Weights:
    """Metadata of one weights file."""

    id: str  # 32 hexadecimal digits, a digest of the content
    name: str  # of the file when it was first added
    label: str  # of the network: "MLP 64"
    model: str  # Model.to_dict() as JSON, its keys sorted
    shape: tuple[int, ...]  # of one input
    classes: int


def add(name: str, blob: bytes, model: Model, shape: tuple[int, ...], classes: int) -> str:
    """Check and store a safetensors file called ``name`` for the network that ``model`` builds, and return its id.

    The file must hold every tensor of the network's state in its shape, and no other. float16, bfloat16 and float32 are
    stored as float32. Raises ValueError with one sentence, and stores nothing then.
    """
    name = printable(name)[-120:] or "weights"
    try:
        expected = _expected(model, shape, classes)
        _compare(_header(blob), expected, model.label())
        try:
            loaded = safetensors.torch.load(blob)
        except Exception as error:  # safetensors raises its own type, which it does not document
            raise RefusedError("it is damaged or incomplete: save it again.") from error
        tensors = {key: value.float() if value.is_floating_point() else value for key, value in loaded.items()}
        for key, value in tensors.items():
            if not value.isfinite().all():
                raise RefusedError(f"{quoted(key)} holds infinite values or NaN: save the weights of another epoch.")
        facts = {
            "label": model.label(),
            "model": _model_json(model),
            "shape": json.dumps(list(shape)),
            "classes": json.dumps(classes),
        }
        return _store.put(tensors, facts, name)
    except RefusedError as error:
        raise ValueError(f"{name}: {error}") from error


def load(key: str) -> dict[str, Tensor]:
    """Return the state of a network, float32, for ``load_state_dict``. Raises ValueError for an unknown id."""
    return _store.tensors(key)


def find(key: str) -> Weights | None:
    """Return the metadata of one file, or None if there is none of that id, whatever ``key`` is."""
    facts = _store.metadata(key)
    if facts is None:
        return None
    try:
        shape, classes = tuple(json.loads(facts["shape"])), int(json.loads(facts["classes"]))
        return Weights(key, facts["name"], facts["label"], facts["model"], shape, classes)
    except (KeyError, ValueError, TypeError):  # not written by this module
        return None


def list_all() -> list[Weights]:
    """Return all weights on this machine, newest first."""
    return [weights for key in _store.ids() if (weights := find(key)) is not None]


def find_matching(model: Model, shape: tuple[int, ...], classes: int) -> list[Weights]:
    """Return the weights that were added for exactly such a network, newest first."""
    network = _model_json(model), tuple(shape), classes
    return [weights for weights in list_all() if (weights.model, weights.shape, weights.classes) == network]


def remove(key: str) -> None:
    """Delete one file, if it exists. Raises ValueError for what is no id."""
    _store.remove(key)


def export(network: nn.Module) -> bytes:
    """Return the state of a network as a file that :func:`add` accepts."""
    return safetensors.torch.save(
        {key: value.detach().cpu().contiguous().clone() for key, value in network.state_dict().items()}
    )


def _model_json(model: Model) -> str:
    return json.dumps(model.to_dict(), sort_keys=True)


def _expected(model: Model, shape: tuple[int, ...], classes: int) -> dict[str, Tensor]:
    """Return the state of such a network on the meta device."""
    if refusal := model.unsupported_reason(shape):
        raise RefusedError(f"a {model.title} {refusal}: choose another network.")
    with torch.device("meta"):
        return model.build(shape, classes).state_dict()


def _header(blob: bytes) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return type and shape of every tensor, from the header alone."""
    if blob.startswith((*PICKLES, *ZIP)):  # torch.save writes a ZIP with a pickle in it
        raise RefusedError(PICKLE)
    if len(blob) > MAX_FILE:
        raise RefusedError(f"it is larger than {MAX_FILE / 1e9:g} GB: give a smaller file.")
    length = int.from_bytes(blob[:8], "little")
    if len(blob) < 10 or length > len(blob) - 8:
        raise RefusedError("it is no safetensors file, or its end is missing: save the weights as safetensors.")
    if length > MAX_HEADER:
        raise RefusedError(f"its header is longer than {MAX_HEADER / 1e6:g} MB: save one network alone.")
    try:
        header = json.loads(blob[8 : 8 + length].decode(), object_pairs_hook=_without_duplicates)
        if not isinstance(header, dict):
            raise TypeError
        header.pop("__metadata__", None)
        return {key: _declared(entry, len(blob) - 8 - length) for key, entry in header.items()}
    except RefusedError:
        raise
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise RefusedError("its header cannot be read: save the weights as safetensors.") from error


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise RefusedError("its header names a tensor twice: save the weights again.")
    return entries


def _declared(entry: Any, size: int) -> tuple[str, tuple[int, ...]]:
    """Return type and shape of one entry. Raises ValueError, TypeError or KeyError if it is beyond ``size``."""
    dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    numbers = [*shape, begin, end]
    if not isinstance(dtype, str) or not all(type(number) is int and 0 <= number <= MAX_FILE for number in numbers):
        raise TypeError
    if not begin <= end <= size or len(shape) > 8:
        raise ValueError
    return dtype, tuple(shape)


def _compare(actual: dict[str, tuple[str, tuple[int, ...]]], expected: dict[str, Tensor], label: str) -> None:
    """Raise RefusedError with the first differences, of the first kind that occurs."""
    remedy = f"give weights of this {label}, or choose the network that they were trained in."
    if missing := [quoted(key) for key in expected if key not in actual]:
        raise RefusedError(f"it lacks {_first(missing)} of {len(expected)} tensors: {remedy}")
    if unknown := [quoted(key) for key in actual if key not in expected]:
        raise RefusedError(f"the network has no {_first(unknown)}: {remedy}")
    differences = [
        f"{quoted(key)} is {_format(actual[key][1])} in the file and {_format(tuple(value.shape))} in the network"
        for key, value in expected.items()
        if actual[key][1] != tuple(value.shape)
    ]
    if differences:
        raise RefusedError(f"shapes differ: {_first(differences)}; {remedy}")
    for key, value in expected.items():
        allowed = FLOATS if value.is_floating_point() else (NAMES[value.dtype],)
        if actual[key][0] not in allowed:
            raise RefusedError(f"{quoted(key)} is of type {quoted(actual[key][0])}: save it as {' or '.join(allowed)}.")


def _first(items: list[str]) -> str:
    more = len(items) - LISTED
    return ", ".join(items[:LISTED]) + (f" and {more} more" if more > 0 else "")


def _format(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) if shape else "one number"
