"""Limits per session on a shared machine; none apply to a person on her own machine."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

MEGABYTE, GIGABYTE = 10**6, 10**9
SIZE_TTL = 10.0  # seconds for which the size of the data folder is cached
VARIABLES = {
    "queued": "DISTILLERY_MAX_QUEUED",
    "epochs": "DISTILLERY_MAX_EPOCHS",
    "runs": "DISTILLERY_MAX_SWEEP",
    "megabytes": "DISTILLERY_MAX_UPLOAD_MB",
    "gigabytes": "DISTILLERY_MAX_DISK_GB",
}


@dataclass(frozen=True)
class Quotas:
    """Limits per session, where 0 means no limit.

    Every check raises ValueError with a sentence that names the value, the limit and what to change.
    """

    queued: int = 0  # waiting runs and sweeps of one session
    epochs: int = 0  # of one run, all of its phases together
    runs: int = 0  # of one sweep
    megabytes: int = 0  # of one upload
    gigabytes: int = 0  # of the data folder, all sessions together

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ, *, is_room: bool = False) -> Self:
        """Return the limits of :data:`ROOM` for a shared machine, else none, with those set in :data:`VARIABLES`.

        Raises:
            ValueError: for a variable that is not a whole number of at least 0.
        """
        values = {}
        for name, variable in VARIABLES.items():
            text = environment.get(variable, "").strip()
            if not text:
                continue
            if not (text.isascii() and text.isdecimal()):
                raise ValueError(f'{variable} = "{text}": give a whole number, or 0 for no limit.')
            values[name] = int(text)
        return replace(cls(**ROOM) if is_room else cls(), **values)

    def check_queue(self, waiting: int) -> None:
        """Check the number of runs of this session that already wait."""
        if self.queued and waiting >= self.queued:
            raise ValueError(
                f"{waiting} of your runs are waiting, and at most {self.queued} may wait: let one start, or stop one."
            )

    def check_epochs(self, epochs: int) -> None:
        """Check the number of epochs of one run, all phases together."""
        if self.epochs and epochs > self.epochs:
            raise ValueError(
                f"This run takes {epochs:,} epochs in all, and at most {self.epochs:,} are allowed: choose fewer."
            )

    def check_sweep(self, runs: int) -> None:
        """Check the number of runs of one sweep."""
        if self.runs and runs > self.runs:
            raise ValueError(
                f"This sweep has {runs:,} runs, and at most {self.runs:,} are allowed: choose fewer values or seeds."
            )

    def check_upload(self, size: int) -> None:
        """Check the size of one file in bytes."""
        if self.megabytes and size > self.megabytes * MEGABYTE:
            raise ValueError(
                f"This file has {size / MEGABYTE:,.0f} MB, and at most {self.megabytes:,} MB are allowed: choose a "
                "smaller one."
            )

    def check_disk(self, folder: Path) -> None:
        """Check the size of the folder that holds all data."""
        if self.gigabytes and (used := size_of(folder)) >= self.gigabytes * GIGABYTE:
            raise ValueError(
                f"The data folder has {used / GIGABYTE:,.1f} GB, and at most {self.gigabytes:,} GB are allowed: delete "
                "runs or uploads."
            )


# For a class of thirty on one machine: the queue stays fair, and the disk of a laptop does not fill up in a term.
ROOM = {"queued": 5, "epochs": 1_000, "runs": 200, "megabytes": 200, "gigabytes": 20}

_sizes: dict[Path, tuple[float, int]] = {}


def size_of(folder: Path) -> int:
    """Return the bytes of all files in a folder, as of at most :data:`SIZE_TTL` seconds ago."""
    now = time.monotonic()
    when, size = _sizes.get(folder, (-SIZE_TTL, 0))
    if now - when >= SIZE_TTL:
        size = 0
        for parent, _, names in os.walk(folder):
            for name in names:
                try:
                    size += (Path(parent) / name).lstat().st_size
                except OSError:  # removed during the walk
                    continue
        _sizes[folder] = now, size
    return size


def forget_size(folder: Path) -> None:
    """Measure a folder anew the next time, since much was removed from it."""
    _sizes.pop(folder, None)
