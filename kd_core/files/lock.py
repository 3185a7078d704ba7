"""One process for each data folder."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from kd_core.base.errors import sqlite_code, storage_error


def lock_folder(folder: Path) -> sqlite3.Connection:
    """Locks a data folder for this process, for as long as the connection is open or the process lives.

    Raises ValueError where another process has it: two of them would take each other's runs for interrupted ones; and
    NotWrittenError where the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = sqlite3.connect(folder / "in-use.sqlite", timeout=0, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.OperationalError) as error:
        raise storage_error(f"The folder {folder.name}", error) from error
    try:
        held.execute("PRAGMA journal_mode = MEMORY")  # nothing is ever written here: a full disk can be claimed, too
        held.execute("BEGIN EXCLUSIVE")
    except sqlite3.DatabaseError as error:
        held.close()
        if sqlite_code(error) != sqlite3.SQLITE_BUSY:
            raise storage_error(f"The folder {folder.name}", error) from error
        raise ValueError(
            f"Another Distillery is using the folder {folder.name}. Close it, or name another folder for this one with "
            "the environment variable DISTILLERY_DATA."
        ) from None
    return held
