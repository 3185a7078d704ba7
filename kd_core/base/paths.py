"""Location of the data folder and of the files of a run."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

NAME = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
ROOT = Path(__file__).parents[2]  # of a checkout; the folder of all packages where Distillery is installed


class NotAvailableError(ValueError):
    """Data or weights that are not on this machine; the message says how to get them."""


def data_folder() -> Path:
    """Return the folder of stored runs, cached teachers, downloaded and uploaded data, which need not exist.

    It is the one named by the environment variable DISTILLERY_DATA, else ``data`` in a checkout, else the system's
    folder for the data of a user's programs.
    """
    if folder := os.environ.get("DISTILLERY_DATA"):
        return Path(folder)
    return ROOT / "data" if is_checkout() else _user_folder() / "distillery"


def is_checkout() -> bool:
    """Return whether this code runs from a checkout of the project instead of an installed package."""
    return (ROOT / "pyproject.toml").is_file()


def artefact_folder(folder: Path, kind: str, name: str) -> Path:
    """Return the folder of the files of one run or sweep.

    Args:
        folder: the data folder.
        kind: "runs" or "sweeps".
        name: the id of the run or sweep.

    Raises:
        ValueError: for a name that is no id, or a folder that is a symbolic link. A database may come from somebody
            else, and the name of a run in it must not lead out of the data folder.
    """
    if not NAME.fullmatch(name):
        raise ValueError("An id is made of letters and digits: the database is damaged, or was tampered with.")
    path = folder / kind / name
    if path.is_symlink():
        raise ValueError(f"{path} is a symbolic link. Put the folder itself in its place.")
    return path


def _user_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
