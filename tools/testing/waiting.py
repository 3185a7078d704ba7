"""Waiting for what happens in other threads."""

from __future__ import annotations

import time
from collections.abc import Callable

from kd_core.runs.manager import RunManager


def wait(condition: Callable[[], object], seconds: float = 30) -> None:
    """Until it holds; an assertion fails if it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def wait_for_end(runs: RunManager, run: str, seconds: float = 30) -> str:
    """The state in which a run ended."""
    wait(lambda: not runs.status(run).is_active, seconds)
    return runs.status(run).state
