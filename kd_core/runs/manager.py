"""Run manager with one worker thread per device, which trains the queued runs and writes them to the store.

States of a run are queued → training ⇄ paused → completed, stopped or failed; interrupted where the process ended
first.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import logging
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from kd_core.base import devices, paths, process
from kd_core.base.devices import AUTO, CLUSTER, CLUSTER_VARIABLE
from kd_core.base.errors import StorageError
from kd_core.base.paths import artefact_folder
from kd_core.base.process import keep_freed_memory
from kd_core.config.run import RunConfig
from kd_core.config.sweep import Sweep
from kd_core.config.sweep.search import Search
from kd_core.files.lock import InUseError, lock_data_folder, record_holder
from kd_core.runs.cluster.connection import Cluster
from kd_core.runs.cluster.driver import PartsWorker
from kd_core.runs.cluster.executor import Cards, ClusterGoneError, Executor, ThreadExecutor
from kd_core.runs.cluster.partition import is_partitioned
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
from kd_core.runs.event_writer import RetryPolicy
from kd_core.runs.job_queue import JobQueue
from kd_core.runs.run_states import RunStates
from kd_core.runs.sweeps.proposals import check_optuna
from kd_core.runs.sweeps.search_worker import SearchWorker
from kd_core.runs.viewer import RunViewer
from kd_core.runs.worker import Worker
from kd_core.store.integrity import check_integrity
from kd_core.store.records import ACTIVE, COMPLETED, FAILED, INTERRUPTED, PAUSED, QUEUED, STOPPED, TRAINING, Status
from kd_core.training.live_options import check_live_options

__all__ = ["ACTIVE", "COMPLETED", "FAILED", "INTERRUPTED", "PAUSED", "QUEUED", "STOPPED", "TRAINING"]
__all__ += ["RunManager", "Status", "get_manager"]

log = logging.getLogger(__name__)

CLUSTER_JOBS = 8  # runs and sweeps that train on a cluster at once; their parts share its processors
HERE = "The cluster at {} cannot be used, so this goes on here, on {}."
INTERRUPTED_BY_ERROR = "This run was interrupted: {}. Resume it from its last checkpoint."


class RunManager(RunViewer):
    """All runs of one data folder, trained by this process.

    Creating it starts threads that wait for runs, and nothing else. One process at a time can manage a folder.
    """

    refusal = ""

    def __init__(
        self, folder: Path, devices: Sequence[str] = ("cpu",), preferred: Sequence[str] = (), what: str = "a program"
    ) -> None:
        """Open a data folder, created where it is missing.

        Args:
            folder: The data folder.
            devices: One run at a time trains on each of them, and several on a cluster.
            preferred: Those of them that take the runs which leave the choice open; default all.
            what: What the process is, for others that would use the folder.

        Raises:
            InUseError: Another process uses the folder.
            ValueError: It cannot be read or written.
        """
        self._lock = lock_data_folder(folder)
        record_holder(folder, what)
        try:
            super().__init__(folder)
            self.trash.empty(folder)
            self._states, self.integrity_report = RunStates(self.store), check_integrity(folder, self.store)
        except BaseException:  # a folder that could not be opened stays free for others
            self._lock.release()
            raise
        self._controls: dict[str, Control] = {}
        self._lock_of_controls = threading.Lock()  # a command after the end of a run must not change its state
        local = [device for device in devices if device != CLUSTER]
        if CLUSTER in devices:
            self.cluster = Cluster(os.environ.get(CLUSTER_VARIABLE, "").strip())
            self.cluster.before_exit = self.close
            devices = [*local, *[CLUSTER] * CLUSTER_JOBS]
        self._queue = JobQueue(devices, preferred or local)
        self._threads = [
            threading.Thread(target=self._work, args=(device,), name=f"training on {device}", daemon=True)
            for device in devices
        ]
        writer = threading.Thread(target=self._states.write_until_closed, name="writing states", daemon=True)
        for thread in (writer, *self._threads):
            thread.start()

    @property
    def preferred(self) -> tuple[str, ...]:
        """The devices that take runs which leave the choice open."""
        return self._queue.preferred

    # -- the screen's side ---------------------------------------------------------------------------------------------

    def start(self, config: RunConfig, pace: float = 0.0, owner: str = "") -> str:
        """Queue a run and return its id.

        Args:
            config: What to train.
            pace: Seconds per epoch at least, to watch the run; changes no number.
            owner: Owners take turns in the queue.

        Raises:
            ValueError: This machine does not have the device.
        """
        self._queue.check(config.compute.device)
        run = secrets.token_hex(5)
        self.store.add(run, config, QUEUED)
        self._enqueue(run, config.compute.device, pace, owner)
        log.info("run %s is queued", run, extra={"event": "state", "run": run, "state": QUEUED})
        return run

    def start_sweep(self, sweep: Sweep, owner: str = "") -> str:
        """Queue a sweep and return its id, which pause, resume, stop and status take like that of a run.

        Raises ValueError for a device that this machine does not have.
        """
        self._queue.check(sweep.base.compute.device)
        name = secrets.token_hex(5)
        self.store.add_sweep(name, sweep, [secrets.token_hex(5) for _ in range(sweep.count)], QUEUED)
        self._enqueue(name, sweep.base.compute.device, 0.0, owner)
        log.info("sweep %s is queued", name, extra={"event": "state", "run": name, "state": QUEUED})
        return name

    def start_search(self, search: Search, owner: str = "") -> str:
        """Queue a search and return its id, which is used like that of a sweep.

        Raises ValueError without Optuna, and for a device that this machine does not have.
        """
        check_optuna()
        device = search.base.compute.device
        self._queue.check(device)
        name = secrets.token_hex(5)
        self.store.add_search(name, search, QUEUED)
        self._enqueue(name, device, 0.0, owner)
        log.info("search %s is queued", name, extra={"event": "state", "run": name, "state": QUEUED})
        return name

    def resume_from_checkpoint(self, run: str, owner: str = "") -> None:
        """Queue an interrupted or stopped run or sweep from its last checkpoint, or from the start without one.

        Raises ValueError for a run in any other state, of a sweep, or with a device that this machine does not have,
        and StorageError where its state cannot be written.
        """
        self._states.flush(run)
        member, sweep = self.store.run(run), self.store.sweep(run)
        if member is not None and member.sweep:
            raise ValueError(f"The run {run} is part of a sweep. Resume the sweep {member.sweep}.")
        row = member or sweep
        config = None if row is None else row.config
        device = "" if config is None else config.compute.device
        if device == CLUSTER and not (self.cluster is not None and self.cluster.is_reachable()):
            device = AUTO
        if sweep is not None and sweep.is_search:
            check_optuna()
        if config is not None:
            self._queue.check(device)
            artefact_folder(self.folder, "sweeps" if sweep else "runs", run)
        if config is None or not self.store.transition(run, (INTERRUPTED, STOPPED), QUEUED):
            raise ValueError(
                "Only an interrupted or stopped run can be resumed. Start it again with the same settings."
            )
        self._enqueue(run, device, 0.0, owner)
        if device != config.compute.device:
            address = self.cluster.address if self.cluster is not None else "its address"
            self._states.set_notice(run, HERE.format(address, ", ".join(self.preferred)))

    def pause(self, run: str) -> None:
        """Hold a run before its next step."""
        self._send(run, Pause())

    def resume(self, run: str) -> None:
        """Continue a paused run."""
        self._send(run, Resume())

    def step(self, run: str) -> None:
        """Take one optimizer step, then pause."""
        self._send(run, TakeStep())

    def stop(self, run: str) -> None:
        """End a run, evaluate it on the test set and keep it."""
        self._send(run, Stop())

    def set_pace(self, run: str, seconds: float) -> None:
        """Spend at least so many seconds per epoch; 0 is as fast as possible."""
        self._send(run, SetPace(seconds))

    def adjust(self, run: str, **options: float | str) -> None:
        """Change live options before the next step. Raises ValueError with the name, the value and the range."""
        row = self.store.run(run)
        if row is not None and row.sweep:
            raise ValueError("This run is part of a sweep, so its options cannot be changed while it trains.")
        if row is None or not self._send(run, Adjust(check_live_options(row.config, options))):
            raise ValueError("This run is over, so its options can no longer be changed. Start a new run.")

    def status(self, run: str) -> Status | None:
        """Return state and progress of a run or sweep; None for an unknown id."""
        control = self._controls.get(run)  # read before the row, which says that the run is over once this is gone
        member, notice = self.store.run(run), self._states.notice(run)
        row = member or self.store.sweep(run)
        if row is None:
            return None
        if member is not None and member.sweep and not notice:
            notice = self._states.notice(member.sweep)
        if control is None:
            return Status(row.state, seconds=row.seconds, notice=notice)
        ahead = self._queue.count_ahead(run)
        before = [other for name in self._queue.runs_ahead(run) if (other := self._controls.get(name))]
        wait = sum(other.remaining for other in before) / max(1, len(before) - ahead + 1) if ahead else 0.0
        with control.changed:
            pace = control.requested_mode.pace
            progress = (control.done, control.total, control.seconds, control.remaining)
            return Status(row.state, *progress, ahead, pace, notice, wait, self._devices_of(run))

    def waiting_count(self, owner: str) -> int:
        """Return how many runs and sweeps of an owner wait in the queue."""
        return self._queue.waiting_count(owner)

    def empty_trash(self) -> None:
        """Remove deleted runs for good, and give their space back to the disk."""
        self.trash.empty(self.folder)
        with contextlib.suppress(StorageError):  # the log then stays beside the database, which is complete with it
            self.store.fold_log()

    def close(self, patience: float = 10.0) -> None:
        """Interrupt what trains, with a checkpoint, and wait for each thread up to ``patience`` seconds."""
        for control in list(self._controls.values()):
            control.send(Interrupt())
        self._queue.close()
        for thread in self._threads:
            thread.join(patience)
        if self.cluster is not None:
            self.cluster.close()
        self._states.close()
        if not any(thread.is_alive() for thread in self._threads):  # a living thread may still write to the folder
            self.empty_trash()
            self._lock.release()

    # -- the worker's side ---------------------------------------------------------------------------------------------

    def _devices_of(self, run: str) -> str:
        is_choice = len(set(self._queue.devices)) > 1
        return ", ".join(self._queue.devices_of(run)) if is_choice else ""

    def _enqueue(self, run: str, device: str, pace: float, owner: str) -> None:
        self._states.set_notice(run, "")
        self._controls[run] = Control(Mode(pace))
        self._queue.put(run, device, owner)

    def _send(self, run: str, command: Command) -> bool:
        """Send a command to a run and return whether there is one; one that has just ended takes no commands."""
        with self._lock_of_controls:
            control = self._controls.get(run)
            if control is not None:
                control.send(command)
                if isinstance(command, Pause | Resume | TakeStep) and self._queue.is_running(run):
                    self._states.set(run, PAUSED if control.requested_mode.is_paused else TRAINING)
        return control is not None

    def _work(self, device: str) -> None:
        while (run := self._queue.next(device)) is not None:
            outcome, seconds = FAILED, None
            try:
                with process.short_switch_interval():
                    outcome, seconds = self._train(run, device)
            except (StorageError, OSError, sqlite3.DatabaseError, MemoryError, torch.OutOfMemoryError) as error:
                # These are no faults of the run, which can be resumed from its last checkpoint later.
                log.warning("run %s was interrupted", run, exc_info=True)
                outcome = self._stored_outcome(run) or INTERRUPTED
                if outcome == INTERRUPTED:
                    self._states.set_notice(run, INTERRUPTED_BY_ERROR.format(str(error).rstrip(".")))
            except ClusterGoneError as error:
                outcome = INTERRUPTED
                self._states.set_notice(run, f"{error} This is stored: resume it, and it trains here.")
            except Exception:  # the thread must survive any run
                log.exception("run %s failed", run)
                outcome = self._stored_outcome(run) or FAILED
            # Removed before the state says that the run is over, since it may be resumed at once.
            with self._lock_of_controls:
                self._controls.pop(run, None)
                self._queue.leave(run)
            self._states.end(run, outcome, seconds)

    def _stored_outcome(self, run: str) -> str:
        """Return how a run ended by its events, which count more than an error after them; "" if it did not end."""
        with contextlib.suppress(sqlite3.Error):
            return self.store.outcome(run)
        return ""

    def _train(self, run: str, device: str) -> tuple[str, float]:
        """Train a run or sweep; return the state in which it ended and its seconds of training."""
        control = self._controls[run]
        with self._lock_of_controls:
            self._states.set(run, PAUSED if control.requested_mode.is_paused else TRAINING)
        run_row, sweep = self.store.run(run), self.store.sweep(run)
        row = run_row or sweep
        assert row is not None
        members = self.store.members(run) if run_row is None else [run_row]
        folder = artefact_folder(self.folder, "runs" if run_row else "sweeps", run)
        retry = RetryPolicy(lambda text: self._states.set_notice(run, text), control.wait)
        parts: dict[str, Any] = {"teacher_cache": self.teacher_cache, "control": control, "retry": retry}
        worker: Worker | PartsWorker | SearchWorker
        borrower = run if sweep is not None and sweep.config.compute.device == AUTO else ""
        executor_of = functools.partial(self._executor, device, borrower)
        executor = executor_of(folder)
        if sweep is not None and sweep.is_search:
            worker = SearchWorker(self.store, sweep, folder, device=device, executor_of=executor_of, **parts)
        elif executor is None:
            worker = Worker(self.store, members, folder, device=device, **parts)
        else:
            worker = PartsWorker(self.store, members, folder, executor=executor, **parts)
        if device == CLUSTER and self.cluster is not None and self.cluster.notice:
            self._states.set_notice(run, self.cluster.notice)
        return worker.run(row.seconds)

    def _executor(self, device: str, borrower: str, folder: Path) -> Executor | None:
        """Return what trains the parts of a run; None where it is trained whole, by one worker of this process.

        ``borrower`` is the id of a sweep that may use other devices beside its own.
        """
        if device == CLUSTER:
            assert self.cluster is not None
            return self.cluster.executor()
        if borrower and len(self.preferred) > 1:
            borrow = functools.partial(self._queue.borrow, borrower)
            cards = Cards(device, len(self.preferred), borrow, self._queue.give_back)
            return ThreadExecutor(cards)
        return ThreadExecutor(Cards(device)) if is_partitioned(folder) else None


TAKE_OVER_SECONDS = 2.0  # between two attempts of a viewer to manage the folder

_lock = threading.Lock()
_shared: RunViewer | None = None
_tried = 0.0  # when, in seconds of the monotonic clock


def get_manager() -> RunViewer:
    """Return the run manager of this process, for :func:`kd_core.base.paths.data_folder`.

    While another process manages the folder it is a viewer of its runs, which the manager replaces later.
    """
    global _shared, _tried
    with _lock:
        if isinstance(_shared, RunManager) or (_shared and time.monotonic() - _tried < TAKE_OVER_SECONDS):
            return _shared
        folder = _shared.folder if _shared else paths.data_folder()
        _tried = time.monotonic()
        try:
            keep_freed_memory()
            managing = RunManager(folder, devices.device_names(), devices.default_devices(), "an app")
        except InUseError:
            _shared = _shared or RunViewer(folder)
            return _shared
        atexit.register(_close)
        if managing.cluster is not None:
            managing.cluster.connect_in_background()
        _shared = managing
        return managing


def opened_manager() -> RunViewer | None:
    """Return the run manager or viewer of this process if there is one already."""
    return _shared


def _close() -> None:
    with contextlib.suppress(Exception):  # nobody could be told, since the interpreter is going away
        if _shared is not None:
            _shared.close()
