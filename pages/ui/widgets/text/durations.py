"""Durations and queue positions as text."""

from __future__ import annotations

from kd_core.runs.manager import Status


def queue_position(status: Status) -> str:
    """Return the position of a run or sweep in the queue and the time until it starts, as far as that is known.

    Only the remaining time of the running job is known, so with more jobs ahead the time is a lower bound.
    """
    if not status.ahead:
        return "Waiting: about to start."
    runs = "1 run" if status.ahead == 1 else f"{status.ahead} runs"
    wait = f", {'about' if status.ahead == 1 else 'at least'} {format_clock(status.wait)}" if status.wait else ""
    return f"Waiting: {runs} ahead in the queue{wait}."


def format_clock(seconds: float) -> str:
    """Return minutes and seconds, such as "2:05"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
