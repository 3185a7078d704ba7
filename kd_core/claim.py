"""One process for each data folder."""

from __future__ import annotations

import sqlite3
from pathlib import Path


def claim(folder: Path) -> sqlite3.Connection:
    """Locks a data folder for this process, for as long as the connection is open or the process lives.

    Raises ValueError where another process has it: two of them would take each other's runs for interrupted ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    held = sqlite3.connect(folder / "in-use.sqlite", timeout=0, isolation_level=None, check_same_thread=False)
    try:
        held.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        held.close()
        raise ValueError(
            f"Another Distillery is using the folder {folder.name}. Close it, or name another folder for this one with "
            "the environment variable DISTILLERY_DATA."
        ) from None
    return held
