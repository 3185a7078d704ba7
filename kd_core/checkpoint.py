"""Tensors and plain values in one safetensors file, written so that a crash leaves the old file or the new one."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor


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

    def take(self, prefix: str) -> dict[str, Tensor]:
        """What :meth:`put` stored under ``prefix``."""
        start = prefix + "/"
        return {name.removeprefix(start): t for name, t in self.tensors.items() if name.startswith(start)}

    def write(self, path: Path) -> None:
        """Atomic: temporary file, fsync, rename. Raises OSError and leaves the old file as it was."""
        temporary = path.with_suffix(".part")
        try:
            with temporary.open("wb") as file:
                file.write(save(self.tensors, {"values": json.dumps(self.values)}))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """Raises OSError where there is no such file, ValueError where it is not a checkpoint."""
        try:
            with safe_open(path, framework="pt") as file:
                values = json.loads((file.metadata() or {})["values"])
                return cls({name: file.get_tensor(name) for name in file.keys()}, values)  # noqa: SIM118
        except OSError:
            raise
        except Exception as error:  # safetensors raises its own type, which it does not document
            raise ValueError(f"{path.name} is not a checkpoint: {error}") from error
