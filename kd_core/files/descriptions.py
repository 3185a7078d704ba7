"""Files that describe what was given from Python, so that other processes can open the runs that used it."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kd_core.base.paths import data_folder
from kd_core.base.registry import FROM_PYTHON, PYTHON_KEY
from kd_core.files.checkpoint import Checkpoint

FOLDER = "python"  # inside a data folder
STRUCTURE_DIGITS, CONTENT_DIGITS = 8, 16

_folders: list[Path] = []


def make_key(name: str, structure: str, content: Iterable[Tensor | str] = ()) -> str:
    """Return the key of an object with this name, of digests of its structure and of its content, if it has any."""
    digits = hashlib.sha256(structure.encode()).hexdigest()[:STRUCTURE_DIGITS]
    digest, is_empty = hashlib.sha256(), True
    for part in content:
        is_empty = False
        if isinstance(part, str):
            digest.update(part.encode())
        else:
            tensor = part.detach().cpu().contiguous()
            digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
            digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    digits += "" if is_empty else digest.hexdigest()[:CONTENT_DIGITS]
    return f"{FROM_PYTHON}{re.sub(r'[^0-9A-Za-z_]+', '_', name)[:40].strip('_') or 'object'}:{digits}"


def structure_of(key: str) -> str:
    """Return the digest of the structure in a key."""
    return key.rpartition(":")[2][:STRUCTURE_DIGITS]


def add_folder(folder: Path) -> None:
    """Also read the descriptions of this data folder, until the process ends."""
    if folder not in _folders:
        _folders.append(folder)


def write(folder: Path, key: str, values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Store a description in a data folder. Raises OSError."""
    path = _path(folder, key)
    if not path.is_file():  # the key has a digest of the content
        path.parent.mkdir(parents=True, exist_ok=True)
        description = Checkpoint(values=dict(values))
        description.tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
        description.write(path)


def write_file(folder: Path, key: str, suffix: str, write_to: Callable[[Path], None]) -> None:
    """Store a file beside a description, atomically; ``write_to`` writes it to a path."""
    path = _path(folder, key).with_suffix(suffix)
    if path.is_file():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid.uuid4().hex}{suffix}")
    try:
        write_to(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def find_file(key: str, suffix: str) -> Path | None:
    """Return the path of a file beside a description; None if there is none."""
    if not PYTHON_KEY.fullmatch(key):
        return None
    paths = (_path(folder, key).with_suffix(suffix) for folder in (data_folder(), *_folders))
    return next((path for path in paths if path.is_file()), None)


def read(key: str) -> Checkpoint | None:
    """Return the description with this key from any of the data folders; None if there is none, or it is damaged."""
    if not PYTHON_KEY.fullmatch(key):
        return None
    for folder in (data_folder(), *_folders):
        try:
            return Checkpoint.read(_path(folder, key))
        except (OSError, ValueError):
            continue
    return None


def _path(folder: Path, key: str) -> Path:
    return folder / FOLDER / f"{key.replace(':', '-')}.safetensors"
