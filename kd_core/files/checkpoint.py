"""Tensors and plain values in one safetensors file, written so that a crash leaves the old file or the new one."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

PART = ".part"  # how the names of files end that are being written


@dataclass
class Checkpoint:
    """``tensors`` by flat name, ``values`` anything that JSON can hold."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)

    def put(self, prefix: str, tensors: Mapping[str, Tensor]) -> None:
        """Adds copies of ``tensors`` under ``prefix/name``: training goes on while the file is written."""
        self.tensors |= {
            f"{prefix}/{name}": tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()
        }

    def get(self, prefix: str) -> dict[str, Tensor]:
        """What :meth:`put` stored under ``prefix``."""
        start = prefix + "/"
        return {name.removeprefix(start): t for name, t in self.tensors.items() if name.startswith(start)}

    def write(self, path: Path, previous: Path | None = None) -> None:
        """Atomic: temporary file, fsync, rename. Raises OSError and leaves the old file as it was.

        The old file becomes ``previous``, if that is given.
        """
        values = json.dumps(self.values)
        # Two threads may write the same file: a teacher that both of them have trained.
        temporary = path.with_suffix(f".{threading.get_ident()}{PART}")
        try:
            with temporary.open("wb") as file:
                file.write(save(self.tensors, {"values": values, "digest": _digest(self.tensors, values)}))
                file.flush()
                os.fsync(file.fileno())
            if previous is not None and path.exists():
                path.replace(previous)
            temporary.replace(path)
            _keep_names(path.parent)
        finally:
            temporary.unlink(missing_ok=True)

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """Raises OSError where there is no such file, ValueError where it is not a checkpoint."""
        try:
            with safe_open(path, framework="pt") as file:
                said = file.metadata() or {}
                found = cls({name: file.get_tensor(name) for name in file.keys()}, json.loads(said["values"]))  # noqa: SIM118
        except OSError:
            raise
        except Exception as error:  # safetensors raises its own type, which it does not document
            raise ValueError(f"{path.name} is not a checkpoint: {error}") from error
        if "digest" in said and said["digest"] != _digest(found.tensors, said["values"]):  # the first ones had none
            raise ValueError(f"{path.name} is damaged: its content is not what was written.")
        return found


def _digest(tensors: Mapping[str, Tensor], values: str) -> str:
    found = hashlib.blake2b(values.encode(), digest_size=16)
    for name, tensor in sorted(tensors.items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def _keep_names(folder: Path) -> None:
    """A rename survives a power cut once the folder itself is on the disk; some systems cannot be asked for that."""
    with contextlib.suppress(OSError):
        for place in (folder, folder.parent):  # the latter: where the folder is new
            number = os.open(place, os.O_RDONLY)
            try:
                os.fsync(number)
            finally:
                os.close(number)


log = logging.getLogger(__name__)

BEFORE = (
    "The last checkpoint of this run could not be used, so it went on from the one before it, with the same numbers."
)
AFRESH = "No checkpoint of this run could be used, so it began again at the beginning, with the same numbers."


class CheckpointRotation:
    """``folder`` is that of the run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.newest, self.previous = folder / "checkpoint.safetensors", folder / "checkpoint.previous.safetensors"

    def write(self, state: Checkpoint) -> None:
        """Raises OSError, and what was there is still there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        state.write(self.newest, self.previous)

    def candidates(self) -> Iterator[tuple[Checkpoint | None, str]]:
        """What one can go on from: the newest first, at last None, which is the beginning. Who asks for the next one
        has refused the one before; the sentence says so to the reader, and is empty for the usual one."""
        was_refused = False
        for path in (self.newest, self.previous):
            try:
                state = Checkpoint.read(path)
            except FileNotFoundError:  # of the newest as well: the process ended between two renames
                continue
            except (OSError, ValueError) as error:
                log.warning("the checkpoint %s cannot be read: %s", path, error)
                was_refused = True
                continue
            yield state, BEFORE if was_refused else ""
            was_refused = True
        yield None, AFRESH if was_refused else ""

    def remove_previous(self) -> None:
        """Removes the one before: the run is over, and a whole checkpoint of its end is there."""
        self.previous.unlink(missing_ok=True)
