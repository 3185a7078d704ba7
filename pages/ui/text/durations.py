"""When it will be a run's or a sweep's turn, in words."""

from __future__ import annotations

from kd_core.runs.manager import Status


def queue_position(status: Status) -> str:
    """How many are before it, and for how long, as far as that is known: of those that wait themselves nothing is."""
    before = f"{status.ahead} before it in the queue" if status.ahead else "about to start"
    wait = f", {'about' if status.ahead == 1 else 'at least'} {format_clock(status.wait)}" if status.wait else ""
    return f"Waiting: {before}{wait}."


def format_clock(seconds: float) -> str:
    """Minutes and seconds: "2:05"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
