"""Where the engine meets the store: one background thread per device drives the runs, one at a time, and can be told
to pause, go on, take one step, stop, and change live options.

States: queued → training ⇄ paused → completed, stopped or failed; "interrupted" when the process ended first.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import secrets
import sqlite3
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kd_core import devices, folders, interpreter, snapshots
from kd_core.checkpoint import Checkpoint
from kd_core.config import RunConfig
from kd_core.control import Control
from kd_core.events import Adjusted, Event, Failed, Finished, Switched
from kd_core.journal import Journal
from kd_core.kept import KeptPhases
from kd_core.line import Line
from kd_core.memory import keep_freed_memory
from kd_core.store import Store
from kd_core.training import Training

log = logging.getLogger(__name__)

QUEUED, TRAINING, PAUSED = "queued", "training", "paused"
COMPLETED, STOPPED, FAILED, INTERRUPTED = "completed", "stopped", "failed", "interrupted"
ACTIVE = (QUEUED, TRAINING, PAUSED)

CHECKPOINT_SECONDS = 10.0


@dataclass(frozen=True)
class Status:
    """How far a run is. ``ahead`` counts the runs before it in the queue; seconds are 0 where nothing is known."""

    state: str
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    remaining: float = 0.0
    ahead: int = 0
    pace: float = 0.0

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE


class Runs:
    """All runs of one data folder. Nothing is started by creating it except the threads that wait for work."""

    def __init__(self, folder: Path, devices: Sequence[str] = ("cpu",), preferred: Sequence[str] = ()) -> None:
        """``devices``: one run at a time on each; ``preferred`` ones take runs that leave the choice open."""
        self.folder = folder
        self._claim = _claim(folder)
        self.store = Store(folder / "distillery.sqlite")
        self.kept = KeptPhases(folder / "teachers")
        self._controls: dict[str, Control] = {}
        self._line = Line(devices, preferred or devices)
        self._is_closing = False
        for run in self.store.in_state(*ACTIVE):
            self.store.set_state(run.id, INTERRUPTED)
        self._threads = [
            threading.Thread(target=self._work, args=(device,), name=f"training on {device}", daemon=True)
            for device in devices
        ]
        for thread in self._threads:
            thread.start()

    @property
    def preferred(self) -> tuple[str, ...]:
        """The devices that take runs which leave the choice open."""
        return self._line.preferred

    # -- what the screen may ask -------------------------------------------------------------------------------------

    def start(self, config: RunConfig, pace: float = 0.0) -> str:
        """Queues a run and returns its id. ``pace``: seconds per epoch at least, to watch it; changes no number.

        Raises ValueError for a device that is not here.
        """
        self._line.check(config.compute.device)
        run = secrets.token_hex(5)
        self.store.add(run, config, QUEUED)
        self._queue(run, config, pace)
        return run

    def proceed(self, run: str) -> None:
        """Goes on with an interrupted or stopped run from its last checkpoint, or from the start if it has none.

        Raises ValueError for a run in any other state, or of a device that is not here.
        """
        row = self.store.run(run)
        if row is not None:
            self._line.check(row.config.compute.device)
        if row is None or not self.store.move(run, (INTERRUPTED, STOPPED), QUEUED):
            raise ValueError("Only an interrupted or stopped run can go on. Start it again with the same settings.")
        self._queue(run, row.config, 0.0)

    def pause(self, run: str) -> None:
        """Holds the run before its next step."""
        self._control(run).ask(is_paused=True)

    def resume(self, run: str) -> None:
        """Lets a paused run go on."""
        self._control(run).ask(is_paused=False)

    def step(self, run: str) -> None:
        """One optimiser step, then paused again."""
        self._control(run).one_step()

    def stop(self, run: str) -> None:
        """Ends the run; what was learned is judged and kept."""
        self._control(run).ask(is_stopping=True)

    def set_pace(self, run: str, seconds: float) -> None:
        """Seconds per epoch at least; 0 is as fast as possible."""
        self._control(run).ask(pace=seconds, due=0.0)

    def adjust(self, run: str, **options: float | str) -> None:
        """Changes live options before the next step. Raises ValueError with the name, the value and the range."""
        row = self.store.run(run)
        if row is None or run not in self._controls:
            raise ValueError("This run is over: its temperature, alpha and learning rate are what they were.")
        allowed = row.config.live_options()
        self._control(run).adjust({name: allowed[name].check(name, value) for name, value in options.items()})

    def status(self, run: str) -> Status | None:
        """How far a run is; None for an unknown id."""
        row = self.store.run(run)
        control = self._controls.get(run)
        if row is None:
            return None
        if control is None:
            return Status(row.state, seconds=row.seconds)
        ahead = self._line.ahead(run)
        with control.changed:
            state = QUEUED if row.state == QUEUED else PAUSED if control.is_paused else TRAINING
            remaining = (control.total - control.done) * control.rate
            return Status(state, control.done, control.total, control.seconds, remaining, ahead, control.pace)

    def close(self, patience: float = 10.0) -> None:
        """Interrupts what trains, with a checkpoint, and waits for the threads. For the end of the process."""
        self._is_closing = True
        for control in list(self._controls.values()):
            control.ask(is_closing=True)
        self._line.close()
        for thread in self._threads:
            thread.join(patience)
        self._claim.close()

    # -- the thread --------------------------------------------------------------------------------------------------

    def _queue(self, run: str, config: RunConfig, pace: float) -> None:
        self._controls[run] = Control(pace)
        self._line.join(run, config.compute.device)

    def _control(self, run: str) -> Control:
        # A run that ended in the meantime has nobody left to listen: the wish goes nowhere.
        return self._controls.get(run, Control())

    def _work(self, device: str) -> None:
        while (run := self._line.next(device)) is not None:
            outcome, seconds = FAILED, 0.0
            try:
                with interpreter.shared():
                    outcome, seconds = self._drive(run, device)
            except Exception:  # the thread must outlive any run; the reader gets a sentence
                log.exception("run %s failed", run)
            # Nothing of it may be left when its state says that it is over: it may be gone on with at once.
            self._controls.pop(run, None)
            self._line.leave(run)
            with contextlib.suppress(Exception):  # a full disk, say: the next start finds the run interrupted
                self.store.set_state(run, outcome, seconds)

    @staticmethod
    def _weights(training: Training, event: Event) -> bytes | None:
        is_last = training.is_last_look(event)
        return snapshots.taken_with(event, training.phases, training.networks, is_last=is_last)

    def _drive(self, run: str, device: str) -> tuple[str, float]:
        """Trains a run; how it ended, and after how many seconds."""
        row, control = self.store.run(run), self._controls[run]
        assert row is not None
        path = self.folder / "runs" / run / "checkpoint.safetensors"
        resume = Checkpoint.read(path) if path.exists() else None
        written = resume.values["events"] if resume else 0
        # What was changed after the last checkpoint is about to be forgotten with the rest; it is done again.
        found = self.store.events(run, written, ["adjusted", "switched"])
        changes = [event for _, event in found if isinstance(event, Adjusted | Switched)]
        journal = Journal(self.store, run, path, written)
        try:
            training = Training(row.config, device=device, kept=self.kept, adjustments=changes, resume=resume)
        except ValueError as error:  # data or weights that have gone since it was queued
            journal.add(Failed("", 0, "", "network", str(error)))
            journal.flush()
            return FAILED, 0.0
        control.seconds = row.seconds if resume else 0.0
        self.store.set_state(run, TRAINING)
        outcome, last = INTERRUPTED, time.monotonic()
        for event in training:
            journal.add(event, self._weights(training, event))
            if isinstance(event, Finished):
                outcome = event.outcome
            if training.is_talking:
                continue
            now = time.monotonic()
            control.progress(training.position, now - last)
            if now - journal.saved > CHECKPOINT_SECONDS:
                journal.save(training.checkpoint())
            # What was said is written before a pause: the screen shows the last step, however long it lasts.
            training.adjust(**control.hold(training.pace, journal.flush))
            training.at_once = control.at_once
            last = time.monotonic() if control.was_paused else now
            if control.is_closing:
                break
            if control.is_stopping and outcome == INTERRUPTED:
                journal.save(training.checkpoint())  # before the end is said: a stopped run can be gone on with
                training.stop()
        if outcome != STOPPED:
            journal.save(training.checkpoint())
        journal.flush()
        return outcome, control.seconds


def _claim(folder: Path) -> sqlite3.Connection:
    """Locks a data folder for this process, for as long as the connection is open or the process lives.

    Raises ValueError where another process has it: two of them would take each other's runs for interrupted ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    claim = sqlite3.connect(folder / "in-use.sqlite", timeout=0, isolation_level=None, check_same_thread=False)
    try:
        claim.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        claim.close()
        raise ValueError(
            f"Another Distillery is using the folder {folder.name}. Close it, or name another folder for this one with "
            "the environment variable DISTILLERY_DATA."
        ) from None
    return claim


_lock = threading.Lock()
_shared: Runs | None = None


def shared() -> Runs:
    """The runs of this process, in :func:`folders.home`."""
    global _shared
    with _lock:
        if _shared is None:
            keep_freed_memory()
            _shared = Runs(folders.home(), devices.names(), devices.preferred())
            atexit.register(_close)
        return _shared


def _close() -> None:
    with contextlib.suppress(Exception):  # the interpreter is going away; there is nobody left to tell
        if _shared is not None:
            _shared.close()
