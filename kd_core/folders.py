"""Where everything lives that outlasts the process: runs, teachers, fetched and uploaded data."""

from __future__ import annotations

import os
from pathlib import Path


class NotHereError(ValueError):
    """Data or weights are not on this machine; the message says how they get there."""


def home() -> Path:
    """The folder named by DISTILLERY_DATA, by default ``data`` beside the code. Nothing is created."""
    return Path(os.environ.get("DISTILLERY_DATA") or Path(__file__).parent.parent / "data")
