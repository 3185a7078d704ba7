"""A folder of safetensors files that are named by what they hold: the same content is kept once."""

from __future__ import annotations

import hashlib
import json
import os
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from kd_core.base.paths import data_folder
from kd_core.files.limits import RefusedError

ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True)
class ContentStore:
    """``folder`` inside of :func:`kd_core.base.paths.data_folder`; made when something is first put there."""

    folder: str

    def path(self, key: str) -> Path:
        """Where ``key`` is or would be. Raises ValueError for what is no key: nothing else ever becomes a path."""
        if not isinstance(key, str) or not ID.fullmatch(key):
            raise ValueError("A key is 32 digits and letters from a to f.")
        return data_folder() / self.folder / f"{key}.safetensors"

    def contains(self, key: str) -> bool:
        """Whether there is such a file; False for what is no key."""
        return isinstance(key, str) and bool(ID.fullmatch(key)) and self.path(key).is_file()

    def put(self, tensors: Mapping[str, Tensor], facts: Mapping[str, str], name: str) -> str:
        """Keeps ``tensors`` with what is known of them, under a key that depends on both, and not on ``name``.

        Atomic: temporary file, fsync, rename. What is there already stays, with its first name. Raises ValueError where
        the disk refuses; nothing is left behind then.
        """
        key = _digest(tensors, facts)
        path = self.path(key)
        if self.metadata(key) is not None:
            return key
        temporary = path.with_name(f".{key}.{uuid.uuid4().hex}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            save_file(dict(tensors), temporary, {**facts, "name": name})
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        except (OSError, SafetensorError) as error:
            raise RefusedError(f"it cannot be kept on this machine ({error}): make room on its disk.") from error
        finally:
            temporary.unlink(missing_ok=True)
        return key

    def metadata(self, key: str) -> dict[str, str] | None:
        """What is known of one file, "name" among it; None where it is not there or not whole. Reads no tensor."""
        if not self.contains(key):
            return None
        try:
            with safe_open(self.path(key), framework="pt") as file:
                return dict(file.metadata() or {})
        except (OSError, SafetensorError):
            return None

    def tensors(self, key: str) -> dict[str, Tensor]:
        """Raises ValueError where there is no such file, or none that is whole."""
        path = self.path(key)
        try:
            with safe_open(path, framework="pt") as file:
                return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise ValueError(f"{path.name} is not on this machine, or not whole: add it again.") from error

    def ids(self) -> list[str]:
        """All keys, newest first."""
        found = []
        for path in (data_folder() / self.folder).glob("*.safetensors"):
            try:
                found.append((-path.stat().st_mtime_ns, path.stem))
            except FileNotFoundError:  # removed meanwhile
                continue
        return [key for _, key in sorted(found) if ID.fullmatch(key)]

    def remove(self, key: str) -> None:
        """Forgets one file; nothing happens where there is none. Raises ValueError for what is no key."""
        self.path(key).unlink(missing_ok=True)


def _digest(tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> str:
    """32 hexadecimal digits that depend on every value."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:32]
