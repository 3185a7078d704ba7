"""Where the engine meets the store: one background thread per device drives the runs, one at a time, and can be told
to pause, go on, take one step, stop, and change live options.

States: queued → training ⇄ paused → completed, stopped or failed; "interrupted" when the process ended first.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from kd_core import devices, folders, interpreter, snapshots, sweeping
from kd_core.checkpoint import Checkpoint
from kd_core.claim import claim
from kd_core.config import RunConfig
from kd_core.control import Control
from kd_core.events import Adjusted, Event, Failed, Finished, Switched
from kd_core.journal import Journal, Minutes
from kd_core.kept import KeptPhases
from kd_core.labels import Labelling
from kd_core.line import Line
from kd_core.memory import keep_freed_memory
from kd_core.status import ACTIVE, COMPLETED, FAILED, INTERRUPTED, PAUSED, QUEUED, STOPPED, TRAINING, Status
from kd_core.store import Store, SweepRow
from kd_core.sweep import Sweep
from kd_core.training import Training
from kd_core.trash import Trash

__all__ = ["ACTIVE", "COMPLETED", "FAILED", "INTERRUPTED", "PAUSED", "QUEUED", "STOPPED", "TRAINING"]
__all__ += ["Runs", "Status", "shared"]

log = logging.getLogger(__name__)

CHECKPOINT_SECONDS = 10.0


class Runs:
    """All runs of one data folder. Nothing is started by creating it except the threads that wait for work."""

    def __init__(self, folder: Path, devices: Sequence[str] = ("cpu",), preferred: Sequence[str] = ()) -> None:
        """``devices``: one run at a time on each; ``preferred`` ones take runs that leave the choice open."""
        self.folder = folder
        self._claim = claim(folder)
        self.store = Store(folder / "distillery.sqlite")
        self.labelling, self.trash = Labelling(self.store.path), Trash(self.store.path)
        self.trash.empty(folder)
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

    def start(self, config: RunConfig, pace: float = 0.0, owner: str = "") -> str:
        """Queues a run and returns its id. ``pace``: seconds per epoch at least, to watch it; changes no number.
        Owners take turns. Raises ValueError for a device that is not here."""
        self._line.check(config.compute.device)
        run = secrets.token_hex(5)
        self.store.add(run, config, QUEUED)
        self._queue(run, config, pace, owner)
        return run

    def start_sweep(self, sweep: Sweep, owner: str = "") -> str:
        """Queues a sweep, which waits in the same line, and returns its id. Pause, resume, stop, proceed and status
        take it like that of a run. Raises ValueError for a device that is not here."""
        self._line.check(sweep.base.compute.device)
        name = secrets.token_hex(5)
        self.store.add_sweep(name, sweep, [secrets.token_hex(5) for _ in range(sweep.count)], QUEUED)
        self._queue(name, sweep.base, 0.0, owner)
        return name

    def proceed(self, run: str, owner: str = "") -> None:
        """Goes on with an interrupted or stopped run or sweep from its last checkpoint, or from the start if it has
        none.

        Raises ValueError for one in any other state, or of a device that is not here.
        """
        row = self.store.run(run) or self.store.sweep(run)
        config = None if row is None else row.config
        if config is not None:
            self._line.check(config.compute.device)
        if config is None or not self.store.move(run, (INTERRUPTED, STOPPED), QUEUED):
            raise ValueError("Only an interrupted or stopped run can go on. Start it again with the same settings.")
        self.store.requeue(run, QUEUED)
        self._queue(run, config, 0.0, owner)

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
        row = self.store.run(run) or self.store.sweep(run)
        control = self._controls.get(run)
        if row is None:
            return None
        if control is None:
            return Status(row.state, seconds=row.seconds)
        ahead = self._line.ahead(run)
        before = [other for name in self._line.before(run) if (other := self._controls.get(name))]
        wait = sum(other.remaining for other in before) / max(1, len(before) - ahead + 1) if ahead else 0.0
        with control.changed:
            state = QUEUED if row.state == QUEUED else PAUSED if control.is_paused else TRAINING
            known = control.seconds, control.remaining, ahead, control.pace, wait
            return Status(state, control.done, control.total, *known)

    def waiting(self, owner: str) -> int:
        """How many runs and sweeps of an owner wait for their turn."""
        return self._line.waiting(owner)

    def close(self, patience: float = 10.0) -> None:
        """Interrupts what trains, with a checkpoint, and waits for the threads. For the end of the process."""
        self._is_closing = True
        for control in list(self._controls.values()):
            control.ask(is_closing=True)
        self._line.close()
        for thread in self._threads:
            thread.join(patience)
        self.trash.empty(self.folder)
        self._claim.close()

    # -- the thread --------------------------------------------------------------------------------------------------

    def _queue(self, run: str, config: RunConfig, pace: float, owner: str) -> None:
        self._controls[run] = Control(pace)
        self._line.join(run, config.compute.device, owner)

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
        if row is None:
            many = self.store.sweep(run)
            assert many is not None
            self.store.set_state(run, TRAINING)
            return self._drive_sweep(many, device)
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

    def _drive_sweep(self, row: SweepRow, device: str) -> tuple[str, float]:
        """Trains the runs of a sweep, or what is left of them; how it ended, and after how many seconds."""
        members, control = self.store.members(row.id), self._controls[row.id]
        path = self.folder / "sweeps" / row.id / "checkpoint.safetensors"
        resume = Checkpoint.read(path) if path.exists() else None
        first, written = (resume.values["group"], resume.values["written"]) if resume else (0, {})
        open_ = [member.id for member in members if member.state != COMPLETED]
        minutes = Minutes(self.store, open_, path, written)
        control.seconds, before, last = row.seconds if resume else 0.0, 0, time.monotonic()
        for number, some in enumerate(sweeping.parted({member.id: member.config for member in members})):
            if number < first or not set(some) & set(open_):
                continue
            group = sweeping.Group(some, device, self.kept, resume if number == first else None)
            for _ in group:
                minutes.take(group.said, group.weights)
                now, (done, total) = time.monotonic(), group.position
                control.progress((before + done, total * len(members) // len(some)), now - last)
                if now - minutes.saved > CHECKPOINT_SECONDS:
                    minutes.save(group.checkpoint(), number)
                control.hold(1.0, minutes.flush)
                last = time.monotonic() if control.was_paused else now
                if control.is_ending:
                    break
            if control.is_ending:
                minutes.save(group.checkpoint(), number)
            if control.is_stopping:  # what was learned is judged; the checkpoint is from before that
                group.stop()
                deque(group, 0)
            minutes.take(group.said, group.weights)
            minutes.flush(control.seconds)
            if control.is_ending:
                self.store.requeue(row.id, STOPPED if control.is_stopping else INTERRUPTED)
                return STOPPED if control.is_stopping else INTERRUPTED, control.seconds
            before += group.position[1]
        return COMPLETED, control.seconds


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
