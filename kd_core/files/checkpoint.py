"""Checkpoint files with tensors and JSON values, written atomically, and their rotation.

A checkpoint is one safetensors file with a digest of its content.
"""

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
from safetensors.torch import load, save
from torch import Tensor

PART_SUFFIX = ".part"  # of files that are being written

log = logging.getLogger(__name__)


@dataclass
class Checkpoint:
    """Content of a checkpoint file."""

    tensors: dict[str, Tensor] = field(default_factory=dict)  # by flat name
    values: dict[str, Any] = field(default_factory=dict)  # anything that JSON can hold

    @property
    def version(self) -> int:
        """Version of the engine that took the checkpoint; the first one did not write its number."""
        return int(self.values.get("version", 1))

    def check_version(self, version: int) -> None:
        """Raise ValueError for another version of the engine, whose numbers differ in their last digits."""
        if self.version != version:
            raise ValueError(
                f"version = {self.version}: this checkpoint is of another version of the engine, which reads version "
                f"{version}. Start the run again; what is stored of it can still be opened."
            )

    def put(self, prefix: str, tensors: Mapping[str, Tensor]) -> None:
        """Add copies of ``tensors`` under ``prefix/name``, since training goes on while the file is written."""
        self.tensors |= {
            f"{prefix}/{name}": tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()
        }

    def get(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors that :meth:`put` added under ``prefix``."""
        start = prefix + "/"
        return {name.removeprefix(start): t for name, t in self.tensors.items() if name.startswith(start)}

    def to_bytes(self) -> bytes:
        """Return the content of a checkpoint file."""
        values = json.dumps(self.values)
        return save(self.tensors, {"values": values, "digest": _digest(self.tensors, values)})

    @classmethod
    def from_bytes(cls, content: bytes) -> Checkpoint:
        """Return the checkpoint that :meth:`to_bytes` gave, from a source that is trusted."""
        size = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + size])["__metadata__"]
        return cls(load(content), json.loads(metadata["values"]))

    def write(self, path: Path, previous: Path | None = None) -> None:
        """Write the checkpoint atomically (temporary file, fsync, rename).

        Args:
            path: The file to replace.
            previous: New path of the file that is replaced; by default it is removed.

        Raises:
            OSError: The old file is still as it was.
        """
        # Two threads may write the same file when both have trained the same teacher.
        temporary = path.with_suffix(f".{threading.get_ident()}{PART_SUFFIX}")
        try:
            with temporary.open("wb") as file:
                file.write(self.to_bytes())
                file.flush()
                os.fsync(file.fileno())
            if previous is not None and path.exists():
                path.replace(previous)
            temporary.replace(path)
            _sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """Read a checkpoint file. Raises OSError if it cannot be opened, ValueError if it is not a whole checkpoint."""
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            checkpoint = cls(tensors, json.loads(metadata["values"]))
        except OSError:
            raise
        except Exception as error:  # safetensors raises an exception of its own that it does not document
            raise ValueError(f"{path.name} is not a checkpoint: {error}") from error
        # The first checkpoints had no digest.
        if "digest" in metadata and metadata["digest"] != _digest(tensors, metadata["values"]):
            raise ValueError(f"{path.name} is damaged: its content is not what was written.")
        return checkpoint


def _digest(tensors: Mapping[str, Tensor], values: str) -> str:
    digest = hashlib.blake2b(values.encode(), digest_size=16)
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut, on systems that can sync a folder."""
    with contextlib.suppress(OSError):
        for path in (folder, folder.parent):  # the parent as well, since the folder may be new
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


USED_PREVIOUS = (
    "The last checkpoint of this run could not be used, so it went on from the one before it, with the same numbers."
)
STARTED_OVER = "No checkpoint of this run could be used, so it began again at the beginning, with the same numbers."
OTHER_VERSION = (
    "The checkpoint of this run is of another version of the app, whose numbers differ in their last digits. The run "
    "began again at the beginning."
)


class CheckpointRotation:
    """Newest and previous checkpoint in the folder of a run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.newest, self.previous = folder / "checkpoint.safetensors", folder / "checkpoint.previous.safetensors"

    def write(self, state: Checkpoint) -> None:
        """Write the newest checkpoint and keep the one before. Raises OSError; both files are then as they were."""
        self.folder.mkdir(parents=True, exist_ok=True)
        state.write(self.newest, self.previous)

    def candidates(self, version: int | None = None) -> Iterator[tuple[Checkpoint | None, str]]:
        """Yield what the run can be resumed from, the newest checkpoint first and None, the beginning, last.

        A caller that asks for the next one could not use the one before. The second item tells the user so in a
        sentence; it is empty for the newest checkpoint. Checkpoints of another ``version`` of the engine, if it is
        given, are left out.
        """
        is_fallback, is_other_version = False, False
        for path in (self.newest, self.previous):
            try:
                state = Checkpoint.read(path)
            except FileNotFoundError:  # the newest is missing if the process ended between two renames
                continue
            except (OSError, ValueError) as error:
                log.warning("the checkpoint %s cannot be read: %s", path, error)
                is_fallback = True
                continue
            if version not in (None, state.version):
                is_fallback, is_other_version = True, True
                continue
            yield state, USED_PREVIOUS if is_fallback else ""
            is_fallback = True
        notice = OTHER_VERSION if is_other_version else STARTED_OVER
        yield None, notice if is_fallback else ""

    def remove_previous(self) -> None:
        """Remove the previous checkpoint once the run is over and its last one is written."""
        self.previous.unlink(missing_ok=True)
