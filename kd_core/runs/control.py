"""What the screen asks of a training thread, and what the thread says of its progress: the one object both touch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

CHUNK_SECONDS = 0.03  # seconds: what is asked for by hand is done before anybody has noticed the wait


@dataclass
class Control:
    """Every field is guarded by ``changed``; seconds are of the monotonic clock."""

    pace: float = 0.0  # seconds per epoch at least; 0 is as fast as possible
    changed: threading.Condition = field(default_factory=threading.Condition)
    is_paused: bool = False
    is_stopping: bool = False  # asked to stop: the run is judged and kept
    is_closing: bool = False  # the process ends: the run is interrupted
    steps: int = 0  # single steps still to take while paused
    pending_options: dict[str, float] = field(default_factory=dict)  # live options to change
    done: int = 0
    total: int = 0
    seconds: float = 0.0  # spent training, pauses left out
    rate: float = 0.0  # recent seconds per step
    was_paused: bool = False  # during the last hold
    due: float = 0.0  # when the next step may be taken at the chosen pace

    def update(self, **wishes: object) -> None:
        """Sets fields and wakes the thread."""
        with self.changed:
            for name, value in wishes.items():
                setattr(self, name, value)
            self.changed.notify_all()

    def adjust(self, options: dict[str, float]) -> None:
        """Adds live options to change before the next step."""
        with self.changed:
            self.pending_options |= options
            self.changed.notify_all()

    def one_step(self) -> None:
        """Pauses after one more step."""
        with self.changed:
            self.is_paused, self.steps = True, self.steps + 1
            self.changed.notify_all()

    @property
    def remaining(self) -> float:
        """Seconds that the steps still to take need at the recent rate; 0 before the first one."""
        return (self.total - self.done) * self.rate

    @property
    def is_held(self) -> bool:
        """Nothing happens until somebody asks for something."""
        return self.is_paused and not self.steps

    @property
    def chunk_seconds(self) -> float:
        """Seconds of steps that may be taken before asking again: none where each is watched."""
        return 0.0 if self.is_paused or self.steps or self.pace else CHUNK_SECONDS

    @property
    def is_ending(self) -> bool:
        """Stopped by hand, or by the end of the process."""
        return self.is_stopping or self.is_closing

    def progress(self, position: tuple[int, int], seconds: float) -> None:
        """Notes the steps done and in all, and the seconds since the last note."""
        with self.changed:
            if position[0] > self.done:  # a phase that begins or ends is no step
                self.steps = max(0, self.steps - 1)
            taken = max(1, position[0] - self.done)
            self.done, self.total = position
            self.seconds += seconds
            each = seconds / taken
            self.rate = 0.95 * self.rate + 0.05 * each if self.rate else each

    def wait(self, seconds: float) -> bool:
        """Waits so long for something outside; False at once when the run is to end."""
        with self.changed:
            return not self.changed.wait_for(lambda: self.is_ending, seconds)

    def hold(self, steps_per_epoch: float, before_pause: Callable[[], None]) -> dict[str, float]:
        """Waits while paused and for the chosen pace; returns the live options asked for in the meantime.

        The time waited for the pace counts as training (it is what the reader watches), the time paused does not.
        """
        with self.changed:
            self.was_paused = False
            while not self.is_ending:
                now = time.monotonic()
                if self.is_held:
                    before_pause()
                    self.changed.wait()
                    self.due, self.was_paused = 0.0, True
                elif self.pace and not self.steps and self.due > now:
                    self.changed.wait(self.due - now)
                else:
                    break
            # Never more than a tenth of a second behind: after a hiccup the pace goes on, it does not catch up.
            self.due = max(self.due, time.monotonic() - 0.1) + self.pace / steps_per_epoch
            wanted, self.pending_options = self.pending_options, {}
            return wanted
