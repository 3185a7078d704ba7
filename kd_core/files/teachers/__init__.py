"""Imported teachers that are no network of this package, such as programs, ONNX files and tables of logits.

Each is stored as one safetensors file: ``file`` (bytes) of a program or an ONNX file, or ``keys`` (N, 16) uint8 and
``logits`` (N, K) of a table.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kd_core.files.content_store import ContentStore
from kd_core.files.teachers.provenance import KEY, Provenance

PROGRAM, ONNX, LOGITS = "program", "onnx", "logits"

_store = ContentStore("teacher_files")


@dataclass(frozen=True)
class StoredTeacher:
    """Metadata of one imported teacher."""

    id: str  # 32 hexadecimal digits, a digest of the content
    name: str  # of the file when it was first imported
    kind: str  # PROGRAM, ONNX or LOGITS
    shape: tuple[int, ...]  # of one input
    classes: int
    normalisation: str
    order: tuple[int, ...]  # number of the output for every class of the data; empty if they are the same


def put(
    kind: str,
    tensors: Mapping[str, Tensor],
    shape: Sequence[int],
    classes: int,
    provenance: Provenance,
) -> str:
    """Store a teacher and return its id. Raises RefusedError if there is no room."""
    facts = {
        "kind": kind,
        "shape": json.dumps(list(shape)),
        "classes": json.dumps(classes),
        "normalisation": provenance.normalisation,
        "order": json.dumps(list(provenance.order)),
        "dataset": provenance.dataset,
    }
    return _store.put(tensors, facts, provenance.file, {KEY: provenance.to_json()})


def find(key: str) -> StoredTeacher | None:
    """Return the metadata of a teacher, or None if there is none of that id, whatever ``key`` is."""
    facts = _store.metadata(key)
    if facts is None:
        return None
    try:
        shape, order = (tuple(json.loads(facts[name])) for name in ("shape", "order"))
        classes = int(json.loads(facts["classes"]))
        return StoredTeacher(key, facts["name"], facts["kind"], shape, classes, facts["normalisation"], order)
    except (KeyError, ValueError, TypeError):  # not written by this module
        return None


def list_all() -> list[StoredTeacher]:
    """Return all imported teachers on this machine, newest first."""
    return [teacher for key in _store.ids() if (teacher := find(key)) is not None]


def tensors(key: str) -> dict[str, Tensor]:
    """Return the content of a teacher. Raises ValueError for an unknown id."""
    return _store.tensors(key)


def remove(key: str) -> None:
    """Delete a teacher, if it exists. Raises ValueError for what is no id."""
    _store.remove(key)


def as_bytes(tensor: Tensor) -> bytes:
    """Return the bytes that :func:`as_tensor` has made a tensor of."""
    return tensor.numpy().tobytes()


def as_tensor(blob: bytes) -> Tensor:
    """Return bytes as a tensor (N,) uint8."""
    return torch.from_numpy(np.frombuffer(blob, np.uint8).copy())
