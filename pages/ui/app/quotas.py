"""How much one session may ask of a machine that many share. Nothing is limited for one person on her own machine."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

MEGABYTE, GIGABYTE = 10**6, 10**9
STALE = 10.0  # seconds for which the size of the data folder is believed
VARIABLES = {
    "queued": "DISTILLERY_MAX_QUEUED",
    "epochs": "DISTILLERY_MAX_EPOCHS",
    "runs": "DISTILLERY_MAX_SWEEP",
    "megabytes": "DISTILLERY_MAX_UPLOAD_MB",
    "gigabytes": "DISTILLERY_MAX_DISK_GB",
}


@dataclass(frozen=True)
class Quotas:
    """Zero is no limit. Every check raises ValueError with one sentence that names the number and what to change."""

    queued: int = 0  # runs and sweeps of one session that wait
    epochs: int = 0  # of one run, all of its phases together
    runs: int = 0  # of one sweep
    megabytes: int = 0  # of one upload
    gigabytes: int = 0  # of the data folder, everybody's together

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ, *, is_room: bool = False) -> Self:
        """Those of :data:`ROOM` where many share the machine, else none; single ones from :data:`VARIABLES`.

        Raises ValueError for a variable that is no whole number from 0 on.
        """
        given = {}
        for name, variable in VARIABLES.items():
            text = environment.get(variable, "").strip()
            if not text:
                continue
            if not (text.isascii() and text.isdecimal()):
                raise ValueError(f'{variable} = "{text}": give a whole number, or 0 for no limit.')
            given[name] = int(text)
        return replace(cls(**ROOM) if is_room else cls(), **given)

    def check_queue(self, waiting: int) -> None:
        """``waiting``: runs of this session that wait already."""
        if self.queued and waiting >= self.queued:
            raise ValueError(
                f"{waiting} of your runs wait already, and {self.queued} may: let one begin, or stop one of them."
            )

    def check_epochs(self, epochs: int) -> None:
        """``epochs`` of all phases of one run."""
        if self.epochs and epochs > self.epochs:
            raise ValueError(
                f"This run takes {epochs:,} epochs in all, and {self.epochs:,} are allowed here: choose fewer."
            )

    def check_sweep(self, runs: int) -> None:
        """``runs`` of one sweep."""
        if self.runs and runs > self.runs:
            raise ValueError(
                f"This sweep has {runs:,} runs, and {self.runs:,} are allowed here: choose fewer values or seeds."
            )

    def check_upload(self, size: int) -> None:
        """``size`` of one file in bytes."""
        if self.megabytes and size > self.megabytes * MEGABYTE:
            raise ValueError(
                f"This file has {size / MEGABYTE:,.0f} MB, and {self.megabytes:,} are allowed here: give a smaller one."
            )

    def check_disk(self, folder: Path) -> None:
        """``folder``: that of all data."""
        if self.gigabytes and (used := size_of(folder)) >= self.gigabytes * GIGABYTE:
            raise ValueError(
                f"The data here take {used / GIGABYTE:,.1f} GB, and {self.gigabytes:,} are allowed: delete runs or "
                "uploads that nobody needs."
            )


# For a class of thirty on one machine: no one holds up the others, and the disk of a laptop does not fill in a term.
ROOM = {"queued": 5, "epochs": 1_000, "runs": 200, "megabytes": 200, "gigabytes": 20}

_sizes: dict[Path, tuple[float, int]] = {}


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder, as they were at most :data:`STALE` seconds ago."""
    now = time.monotonic()
    when, size = _sizes.get(folder, (-STALE, 0))
    if now - when >= STALE:
        size = 0
        for parent, _, names in os.walk(folder):
            for name in names:
                try:
                    size += (Path(parent) / name).lstat().st_size
                except OSError:  # removed meanwhile
                    continue
        _sizes[folder] = now, size
    return size
