"""How far a run or a sweep is."""

from __future__ import annotations

from dataclasses import dataclass

QUEUED, TRAINING, PAUSED = "queued", "training", "paused"
COMPLETED, STOPPED, FAILED, INTERRUPTED = "completed", "stopped", "failed", "interrupted"
ACTIVE = (QUEUED, TRAINING, PAUSED)


@dataclass(frozen=True)
class Status:
    """How far a run is. ``ahead`` counts the runs before it in the queue; ``wait`` are the seconds until it begins as
    far as they are known: what is left of those that train, nothing of those that wait. Seconds are 0 where nothing is
    known."""

    state: str
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    remaining: float = 0.0
    ahead: int = 0
    pace: float = 0.0
    notice: str = ""  # a sentence on what went wrong around the run, and what becomes of it
    wait: float = 0.0

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE
