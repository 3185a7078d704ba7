"""Helpers that wait for other threads."""

from __future__ import annotations

import time
from collections.abc import Callable

from kd_core.runs.manager import RunManager


def wait(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until a condition holds; an assertion fails if it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not hold in time"
        time.sleep(0.02)


def wait_for_end(runs: RunManager, run: str, seconds: float = 30) -> str:
    """Wait for the end of a run and return its state."""
    wait(lambda: not runs.status(run).is_active, seconds)
    return runs.status(run).state
