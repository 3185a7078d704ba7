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
from collections.abc import Sequence
from pathlib import Path

import torch

from kd_core.base import devices, paths, process
from kd_core.base.errors import StorageError
from kd_core.base.events import Adjusted, Failed, Switched
from kd_core.base.paths import NotAvailableError, artefact_folder
from kd_core.base.process import keep_freed_memory
from kd_core.config.run import RunConfig
from kd_core.config.sweep import Sweep
from kd_core.files.checkpoint import CheckpointRotation
from kd_core.files.lock import lock_folder
from kd_core.runs.control import (
    Adjust,
    Command,
    Control,
    Interrupt,
    Mode,
    Pause,
    Resume,
    SetPace,
    Stop,
    TakeStep,
)
from kd_core.runs.event_writer import EventWriter, RetryPolicy
from kd_core.runs.job_queue import JobQueue
from kd_core.runs.outcomes import Outcomes
from kd_core.runs.sweep_worker import SweepWorker
from kd_core.runs.worker import run_trainer
from kd_core.store.annotations import AnnotationStore
from kd_core.store.integrity import check_integrity
from kd_core.store.records import ACTIVE, COMPLETED, FAILED, INTERRUPTED, PAUSED, QUEUED, STOPPED, TRAINING, Status
from kd_core.store.store import Run, Store
from kd_core.store.teacher_cache import TeacherCache
from kd_core.store.trash import Trash
from kd_core.training.live_options import check_live_options
from kd_core.training.loop import Trainer

__all__ = ["ACTIVE", "COMPLETED", "FAILED", "INTERRUPTED", "PAUSED", "QUEUED", "STOPPED", "TRAINING"]
__all__ += ["RunManager", "Status", "get_manager"]

log = logging.getLogger(__name__)

BROKE_OFF = "This run broke off: {}. It can go on from its last checkpoint."


class RunManager:
    """All runs of one data folder. Nothing is started by creating it except the threads that wait for work."""

    def __init__(self, folder: Path, devices: Sequence[str] = ("cpu",), preferred: Sequence[str] = ()) -> None:
        """``devices``: one run at a time on each; ``preferred`` ones take runs that leave the choice open."""
        self.folder = folder
        self._claim = lock_folder(folder)
        try:
            self.store = Store(folder / "distillery.sqlite")
            self.annotation_store, self.trash = AnnotationStore(self.store.path), Trash(self.store.path)
            self.trash.empty(folder)
            self.teacher_cache = TeacherCache(folder / "teachers")
            self._endings, self.integrity_report = Outcomes(self.store), check_integrity(folder, self.store)
        except BaseException:  # what was refused is nobody's
            self._claim.close()
            raise
        self._controls: dict[str, Control] = {}
        self._line = JobQueue(devices, preferred or devices)
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
        """Queues a sweep, which waits in the same queue, and returns its id. Pause, resume, stop and status
        take it like that of a run. Raises ValueError for a device that is not here."""
        self._line.check(sweep.base.compute.device)
        name = secrets.token_hex(5)
        self.store.add_sweep(name, sweep, [secrets.token_hex(5) for _ in range(sweep.count)], QUEUED)
        self._queue(name, sweep.base, 0.0, owner)
        return name

    def resume_from_checkpoint(self, run: str, owner: str = "") -> None:
        """Goes on with an interrupted or stopped run or sweep from its last checkpoint, or from the start if it has
        none.

        Raises ValueError for one in any other state, or of a device that is not here, and NotWrittenError.
        """
        self._endings.flush(run)
        row = self.store.run(run) or self.store.sweep(run)
        config = None if row is None else row.config
        if config is not None:
            self._line.check(config.compute.device)
        if config is None or not self.store.transition(run, (INTERRUPTED, STOPPED), QUEUED):
            raise ValueError("Only an interrupted or stopped run can go on. Start it again with the same settings.")
        self.store.set_unfinished_state(run, QUEUED)
        self._queue(run, config, 0.0, owner)

    def pause(self, run: str) -> None:
        """Holds the run before its next step."""
        self._send(run, Pause())

    def resume(self, run: str) -> None:
        """Lets a paused run go on."""
        self._send(run, Resume())

    def step(self, run: str) -> None:
        """One optimiser step, then paused again."""
        self._send(run, TakeStep())

    def stop(self, run: str) -> None:
        """Ends the run; what was learned is judged and kept."""
        self._send(run, Stop())

    def set_pace(self, run: str, seconds: float) -> None:
        """Seconds per epoch at least; 0 is as fast as possible."""
        self._send(run, SetPace(seconds))

    def adjust(self, run: str, **options: float | str) -> None:
        """Changes live options before the next step. Raises ValueError with the name, the value and the range."""
        row = self.store.run(run)
        if row is None or run not in self._controls:
            raise ValueError("This run is over: its temperature, alpha and learning rate are what they were.")
        self._send(run, Adjust(check_live_options(row.config, options)))

    def status(self, run: str) -> Status | None:
        """How far a run is; None for an unknown id."""
        row = self.store.run(run) or self.store.sweep(run)
        control, notice = self._controls.get(run), self._endings.notice(run)
        if row is None:
            return None
        if control is None:
            state, seconds = self._endings.of(row)
            return Status(state, seconds=seconds, notice=notice)
        ahead = self._line.count_ahead(run)
        before = [other for name in self._line.runs_ahead(run) if (other := self._controls.get(name))]
        wait = sum(other.remaining for other in before) / max(1, len(before) - ahead + 1) if ahead else 0.0
        with control.changed:
            mode = control.requested_mode
            state = QUEUED if row.state == QUEUED else PAUSED if mode.is_paused else TRAINING
            known = control.seconds, control.remaining, ahead, mode.pace, notice, wait
            return Status(state, control.done, control.total, *known)

    def waiting_count(self, owner: str) -> int:
        """How many runs and sweeps of an owner wait for their turn."""
        return self._line.waiting_count(owner)

    def close(self, patience: float = 10.0) -> None:
        """Interrupts what trains, with a checkpoint, and waits for the threads. For the end of the process."""
        for control in list(self._controls.values()):
            control.send(Interrupt())
        self._line.close()
        for thread in self._threads:
            thread.join(patience)
        if not any(thread.is_alive() for thread in self._threads):  # else it may still write: the folder stays ours
            self.trash.empty(self.folder)
            self._claim.close()

    # -- the thread --------------------------------------------------------------------------------------------------

    def _queue(self, run: str, config: RunConfig, pace: float, owner: str) -> None:
        self._endings.set_notice(run, "")
        self._controls[run] = Control(Mode(pace))
        self._line.put(run, config.compute.device, owner)

    def _send(self, run: str, command: Command) -> None:
        if control := self._controls.get(run):  # a command for a run that has just ended has no effect
            control.send(command)

    def _work(self, device: str) -> None:
        while (run := self._line.next(device)) is not None:
            outcome, seconds = FAILED, None
            try:
                with process.short_switch_interval():
                    outcome, seconds = self._drive(run, device)
            except (StorageError, OSError, sqlite3.DatabaseError, MemoryError, torch.OutOfMemoryError) as error:
                # Trouble around the run, not with it: from its last checkpoint it can go on when that is over.
                log.warning("run %s was interrupted", run, exc_info=True)
                outcome = INTERRUPTED
                self._endings.set_notice(run, BROKE_OFF.format(str(error).rstrip(".")))
            except Exception:  # the thread must outlive any run; the reader gets a sentence
                log.exception("run %s failed", run)
            # Nothing of it may be left when its state says that it is over: it may be gone on with at once.
            self._controls.pop(run, None)
            self._line.leave(run)
            self._endings.note(run, outcome, seconds)

    def _drive(self, run: str, device: str) -> tuple[str, float]:
        """Trains a run; how it ended, and after how many seconds."""
        row, control = self.store.run(run), self._controls[run]
        patience = RetryPolicy(lambda words: self._endings.set_notice(run, words), control.wait)
        if row is None:
            many = self.store.sweep(run)
            assert many is not None
            self.store.set_state(run, TRAINING)
            return SweepWorker(
                self.store, many, artefact_folder(self.folder, "sweeps", run), device, self.teacher_cache
            ).drive(control, patience)
        generations = CheckpointRotation(artefact_folder(self.folder, "runs", run))
        try:
            training, written = self._begun(row, device, generations)
        except ValueError as error:  # data or weights that have gone since it was queued
            if self.store.count(run):  # once they are back, it can go on
                self._endings.set_notice(run, str(error))
                return INTERRUPTED, row.seconds
            journal = EventWriter(self.store, run, generations, 0, patience)
            journal.add(Failed("", 0, "", "network", str(error)))
            journal.flush()
            return FAILED, 0.0
        journal = EventWriter(self.store, run, generations, written, patience)
        control.seconds = row.seconds if written else 0.0
        self.store.set_state(run, TRAINING)
        try:
            return run_trainer(training, journal, control), control.seconds
        except Exception:
            with contextlib.suppress(StorageError):  # what was said by then is said, whatever went wrong
                journal.flush()
            raise

    def _begun(self, row: Run, device: str, generations: CheckpointRotation) -> tuple[Trainer, int]:
        """The training where its newest usable checkpoint left it, and how many events it had said by then. Not usable:
        one that is damaged, or another version's, or ahead of the events stored."""
        for state, words in generations.candidates():
            try:
                written = int(state.values["events"]) if state else 0
                if self.store.count(row.id) < written:
                    raise ValueError("more had been said than is stored")
                # What was changed after the checkpoint is about to be forgotten with the rest; it is done again.
                found = self.store.changes(row.id, written)
                changes = [event for event in found if isinstance(event, Adjusted | Switched)]
                training = Trainer(
                    row.config, device=device, cache=self.teacher_cache, adjustments=changes, resume=state
                )
            except (ValueError, LookupError, TypeError, RuntimeError) as error:
                if state is None or isinstance(error, NotAvailableError | torch.OutOfMemoryError):
                    raise
                log.warning("the run %s cannot go on from a checkpoint", row.id, exc_info=True)
            else:
                self._endings.set_notice(row.id, words)
                return training, written
        raise AssertionError("the beginning is always there")


_lock = threading.Lock()
_shared: RunManager | None = None


def get_manager() -> RunManager:
    """The runs of this process, in :func:`folders.home`."""
    global _shared
    with _lock:
        if _shared is None:
            keep_freed_memory()
            _shared = RunManager(paths.data_folder(), devices.device_names(), devices.default_devices())
            atexit.register(_close)
        return _shared


def _close() -> None:
    with contextlib.suppress(Exception):  # the interpreter is going away; there is nobody left to tell
        if _shared is not None:
            _shared.close()
