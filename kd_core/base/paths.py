"""Where everything lives that outlasts the process: runs, teachers, fetched and uploaded data."""

from __future__ import annotations

import os
import re
from pathlib import Path

NAME = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)


class NotAvailableError(ValueError):
    """Data or weights are not on this machine; the message says how they get there."""


def data_folder() -> Path:
    """The folder named by DISTILLERY_DATA, by default ``data`` beside the code. Nothing is created."""
    return Path(os.environ.get("DISTILLERY_DATA") or Path(__file__).parents[2] / "data")


def artefact_folder(folder: Path, kind: str, name: str) -> Path:
    """Where the files of a run or sweep (``kind``: runs, sweeps) of that id are, in the data folder ``folder``.

    Raises ValueError for what is no id: a database may come from somebody else, and what it calls a run would then lead
    anywhere.
    """
    if not NAME.fullmatch(name):
        raise ValueError("An id is made of letters and digits: the database is damaged, or was tampered with.")
    return folder / kind / name
