"""Command queue from the screen to the worker that trains a run, and the progress that the worker reports back."""

from __future__ import annotations

import functools
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

CHUNK_SECONDS = 0.03  # of training before the queue is read again, a delay that nobody notices


@dataclass(frozen=True)
class Pause:
    """Hold the run before its next step."""


@dataclass(frozen=True)
class Resume:
    """Continue a paused run."""


@dataclass(frozen=True)
class TakeStep:
    """Take one optimizer step, then pause."""


@dataclass(frozen=True)
class SetPace:
    """Spend at least ``seconds`` per epoch; 0 is as fast as possible."""

    seconds: float


@dataclass(frozen=True)
class Adjust:
    """Change live options before the next step. The values are already validated."""

    options: Mapping[str, float]


@dataclass(frozen=True)
class Stop:
    """End the run, evaluate it on the test set and keep it."""


@dataclass(frozen=True)
class Interrupt:
    """Leave the run at a checkpoint because the process ends."""


Command = Pause | Resume | TakeStep | SetPace | Adjust | Stop | Interrupt


@dataclass(frozen=True)
class Mode:
    """How a worker continues its run; ``pace`` in seconds per epoch, ``steps`` to take while paused."""

    pace: float = 0.0
    is_paused: bool = False
    steps: int = 0
    is_stopping: bool = False
    is_interrupted: bool = False

    def after(self, command: Command) -> Mode:
        """Return the mode that a command leads to."""
        match command:
            case Pause() | Resume():
                return replace(self, is_paused=isinstance(command, Pause))
            case TakeStep():
                return replace(self, is_paused=True, steps=self.steps + 1)
            case SetPace():
                return replace(self, pace=command.seconds)
            case Stop():
                return replace(self, is_stopping=True)
            case Interrupt():
                return replace(self, is_interrupted=True)
            case Adjust():
                return self

    @property
    def is_held(self) -> bool:
        """Whether nothing happens until the next command."""
        return self.is_paused and not self.steps

    @property
    def is_ending(self) -> bool:
        """Whether the run is to be stopped or interrupted."""
        return self.is_stopping or self.is_interrupted


@dataclass
class Control:
    """Command queue and progress of one run.

    The screen sends commands and reads the progress; the worker takes the commands between two steps. ``changed``
    guards every field. Seconds are those of the monotonic clock.
    """

    mode: Mode = field(default_factory=Mode)  # the worker's, without the commands still in the queue
    changed: threading.Condition = field(default_factory=threading.Condition)
    done: int = 0
    total: int = 0
    seconds: float = 0.0  # of training, pauses excluded
    rate: float = 0.0  # recent seconds per step
    was_paused: bool = False  # during the last call of :meth:`hold`
    around: tuple[int, int] = (0, 0)  # steps before and after those that the worker counts, in a search
    _commands: deque[Command] = field(default_factory=deque)
    _due: float = 0.0  # when the next step may be taken at the chosen pace

    # -- the screen's side ---------------------------------------------------------------------------------------------

    def send(self, command: Command) -> None:
        """Queue a command and wake the worker."""
        with self.changed:
            self._commands.append(command)
            self.changed.notify_all()

    @property
    def requested_mode(self) -> Mode:
        """The mode once the commands in the queue are taken, which is what the screen shows."""
        with self.changed:
            return functools.reduce(Mode.after, self._commands, self.mode)

    @property
    def remaining(self) -> float:
        """Seconds that the remaining steps take at the recent rate; 0 before the first step."""
        return (self.total - self.done) * self.rate

    # -- the worker's side ---------------------------------------------------------------------------------------------

    @property
    def chunk_seconds(self) -> float:
        """Seconds of steps to take before the next call of :meth:`hold`; 0 means one step, to be watched."""
        return 0.0 if self.mode.is_paused or self.mode.steps or self.mode.pace else CHUNK_SECONDS

    def progress(self, position: tuple[int, int], seconds: float) -> None:
        """Report the steps done and in total, and the seconds of training since the last report."""
        with self.changed:
            before, after = self.around
            position = position[0] + before, before + position[1] + after
            if position[0] > self.done:  # the begin or end of a phase is no step
                self.mode = replace(self.mode, steps=max(0, self.mode.steps - 1))
            seconds_per_step = seconds / max(1, position[0] - self.done)
            self.done, self.total = position
            self.seconds += seconds
            self.rate = 0.95 * self.rate + 0.05 * seconds_per_step if self.rate else seconds_per_step

    def take(self) -> list[Command]:
        """Take all commands without waiting, for workers elsewhere that obey them."""
        with self.changed:
            commands = [*self._commands]
            self.mode = self.requested_mode
            self._commands.clear()
        return commands

    def wait(self, seconds: float) -> bool:
        """Wait for something outside the run; return False at once when the run is to end."""
        with self.changed:
            return not self.changed.wait_for(lambda: self.requested_mode.is_ending, seconds)

    def hold(self, steps_per_epoch: float, before_pause: Callable[[], None]) -> dict[str, float]:
        """Take all commands, and wait while paused and for the chosen pace.

        Waiting for the pace counts as training, since it is what the user watches; a pause does not.

        Returns:
            The live options to change before the next step.
        """
        adjustments: dict[str, float] = {}
        with self.changed:
            self.was_paused = False
            while True:
                self._take_commands(adjustments)
                now = time.monotonic()
                if self.mode.is_ending:
                    break
                if self.mode.is_held:
                    self.changed.release()  # the screen must not wait for a disk
                    try:
                        before_pause()
                    finally:
                        self.changed.acquire()
                    self.changed.wait_for(lambda: self._commands)
                    self._due, self.was_paused = 0.0, True
                elif self.mode.pace and not self.mode.steps and self._due > now:
                    self.changed.wait_for(lambda: self._commands, self._due - now)
                else:
                    break
            # At most a tenth of a second behind: after a hiccup the pace continues, it does not catch up.
            self._due = max(self._due, time.monotonic() - 0.1) + self.mode.pace / steps_per_epoch
        return adjustments

    def _take_commands(self, adjustments: dict[str, float]) -> None:
        while self._commands:
            command = self._commands.popleft()
            self.mode = self.mode.after(command)
            if isinstance(command, Adjust):
                adjustments |= command.options
            elif isinstance(command, SetPace):
                self._due = 0.0
