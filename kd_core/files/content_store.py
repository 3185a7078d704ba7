"""Content-addressed folder of safetensors files."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from kd_core.base.paths import data_folder
from kd_core.files.limits import RefusedError

ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
NO_NOTES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class ContentStore:
    """Folder whose files are named by a digest of their content, so that the same content is stored once."""

    folder: str  # inside the data folder; made with the first file

    def path(self, key: str) -> Path:
        """Return the path of ``key``. Raises ValueError for anything but a key, which therefore never gets a path."""
        if not isinstance(key, str) or not ID.fullmatch(key):
            raise ValueError("A key is 32 digits and letters from a to f.")
        return data_folder() / self.folder / f"{key}.safetensors"

    def contains(self, key: str) -> bool:
        """Return whether there is such a file; False for anything but a key."""
        return isinstance(key, str) and bool(ID.fullmatch(key)) and self.path(key).is_file()

    def put(
        self, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], name: str, notes: Mapping[str, str] = NO_NOTES
    ) -> str:
        """Store tensors with their metadata atomically (temporary file, fsync, rename) and return their key.

        The key depends on the tensors and the metadata, not on ``name`` and ``notes``, which are metadata as well.
        Content that is there already keeps its first name and notes.

        Raises:
            RefusedError: The disk cannot take the file; nothing is left behind.
        """
        key = _digest(tensors, metadata)
        path = self.path(key)
        if self.metadata(key) is not None:
            return key
        temporary = path.with_name(f".{key}.{uuid.uuid4().hex}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            save_file(dict(tensors), temporary, {**metadata, **notes, "name": name})
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        except (OSError, SafetensorError) as error:
            raise RefusedError(f"it cannot be stored on this machine ({error}): make room on its disk.") from error
        finally:
            temporary.unlink(missing_ok=True)
        return key

    def metadata(self, key: str) -> dict[str, str] | None:
        """Return the metadata of a file and its "name"; None if it is missing or damaged. Reads no tensor."""
        if not self.contains(key):
            return None
        try:
            with safe_open(self.path(key), framework="pt") as file:
                return dict(file.metadata() or {})
        except (OSError, SafetensorError):
            return None

    def tensors(self, key: str) -> dict[str, Tensor]:
        """Return the tensors of a file. Raises ValueError if it is missing or damaged."""
        path = self.path(key)
        try:
            with safe_open(path, framework="pt") as file:
                return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise ValueError(f"{path.name} is not on this machine, or damaged: add it again.") from error

    def ids(self) -> list[str]:
        """Return all keys, newest first."""
        aged = []
        for path in (data_folder() / self.folder).glob("*.safetensors"):
            with contextlib.suppress(FileNotFoundError):  # removed in the meantime
                aged.append((-path.stat().st_mtime_ns, path.stem))
        return [key for _, key in sorted(aged) if ID.fullmatch(key)]

    def remove(self, key: str) -> None:
        """Remove a file if it is there. Raises ValueError for anything but a key."""
        self.path(key).unlink(missing_ok=True)


def _digest(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """Return 32 hexadecimal digits that depend on every value."""
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:32]
