"""Start runs in a data folder, wait for them, and load them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from kd_core.analysis.replay import Replay
from kd_core.api.result import Result
from kd_core.base import devices
from kd_core.base.events import Event
from kd_core.base.paths import artefact_folder, data_folder
from kd_core.config.plan import STUDENT
from kd_core.config.python_parts import provide_python_parts
from kd_core.config.run import RunConfig
from kd_core.export.compression import chain
from kd_core.export.compression.chain import Compression
from kd_core.export.formats import find_run
from kd_core.files import descriptions
from kd_core.files.checkpoint import CheckpointRotation
from kd_core.files.lock import is_data_folder_in_use
from kd_core.models._pruning import CHANNELS
from kd_core.runs.manager import RunManager
from kd_core.store.records import Run
from kd_core.store.store import DATABASE, Store
from kd_core.training.loop import Trainer

POLL_SECONDS = 0.05


class StoredRun(Result):
    """A run in a data folder, as far as it has come.

    ``events``, ``test``, ``history`` and ``verdict`` are those stored when they are first asked for; call
    :func:`load_run` again for what was added since.
    """

    config: RunConfig

    def __init__(self, store: Store, run: Run) -> None:
        super().__init__(run.config, (), {}, run.id)
        self._store, self._run = store, run

    @property
    def config_json(self) -> str:
        """The configuration as JSON."""
        return self._run.config_json

    @property
    def state(self) -> str:
        """State, "queued", "training", "paused", "completed", "stopped", "failed" or "interrupted"."""
        return self._run.state

    @cached_property
    def events(self) -> Sequence[Event]:
        return [event for _, event in self._store.iter_events(self.id)]

    @property
    def epochs(self) -> list[int]:
        """The epochs of the last phase whose weights are stored."""
        return [snapshot.epoch for snapshot in Replay(self._store, self._run).snapshots]

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return self.networks_at(-1)

    def networks_at(self, epoch: int) -> Mapping[str, nn.Module]:
        """Return the networks by role at the last stored epoch that is not after ``epoch``; -1 is the end.

        Raises:
            ValueError: if no weights of the run are stored.
        """
        replay = Replay(self._store, self._run)
        networks = replay.networks(replay.snapshot_at(epoch)) if replay.snapshots else {}
        if epoch < 0 and not set(self.test) <= set(networks):  # too large for snapshots
            networks = self._networks_of_checkpoint() or networks
        if not networks:
            raise ValueError(f"The run {self.id} kept no weights. Train it again with the same settings.")
        return networks

    def compress(
        self, *, role: str = STUDENT, fraction: float = 0.5, kind: str = CHANNELS, int8: bool = True, **settings: Any
    ) -> Compression:
        """Prune a network of the run, distil again from the unpruned one, and quantise the result.

        The second training is stored in the same data folder, and is not repeated where it is there already.

        Args:
            role: Which network.
            fraction: Fraction of channels or weights to remove; at 0 the network is quantised as it is.
            kind: "channels", which needs torch-pruning, or "weights".
            int8: Whether to quantise, which needs onnx, onnxscript and onnxruntime.
            settings: Settings of the second training that differ from the first, such as ``epochs=20``.

        Raises:
            ValueError: for settings out of range, a network that cannot be compressed, and a run that has not ended.
            RuntimeError: if the second training is interrupted.
            ImportError: without an optional package that the chosen stages need.
        """

        def train(config: RunConfig) -> str:
            with open_manager(self._store.path.parent) as manager:
                run = manager.start(config)
                wait(manager, run)
            return run

        return chain.compress(
            self._store, self._run, train, role=role, fraction=fraction, kind=kind, int8=int8, **settings
        )

    @contextmanager
    def _stored(self) -> Iterator[tuple[Store, str]]:
        yield self._store, self.id

    def _networks_of_checkpoint(self) -> dict[str, nn.Module]:
        folder = artefact_folder(self._store.path.parent, "runs", self.id)
        state, _ = next(CheckpointRotation(folder).candidates())
        return Trainer(self.config, device="cpu", resume=state).networks if state else {}


def load_run(run: str, folder: str | Path | None = None, **objects: Any) -> StoredRun:
    """Load a run that the app, the command line or ``store=True`` has stored in a data folder.

    Args:
        run: its id, as in the address of the app's pages.
        folder: a data folder; by default the app's.
        objects: the modules, functions and data from Python with which the run was trained, by argument, as in
            ``student=net``. A new process needs them to build the networks, and nothing else.

    Raises:
        ValueError: if there is no such run, if it needs data or a plug-in that this installation does not have, or if
            the structure of a given object differs.
    """
    store = open_store(folder)
    row = find_run(store, run)
    if objects:
        provide_python_parts(json.loads(row.config_json), objects, needs_all=False)
    return StoredRun(store, row)


def open_store(folder: str | Path | None = None) -> Store:
    """Open the database of a data folder for reading. Raises ValueError if there is none.

    Runs that a killed process left active have ended for all who read it, as in the app.
    """
    path = (data_folder() if folder is None else Path(folder)) / DATABASE
    descriptions.add_folder(path.parent)
    if not path.is_file():
        raise ValueError(f"Nothing is stored in {path.parent} yet.")
    store = Store(path)
    if (ended := store.outcomes_of_active()) and not is_data_folder_in_use(path.parent):
        store.unwritten |= ended
    return store


def resume_run(run: str, folder: str | Path | None = None, **objects: Any) -> StoredRun:
    """Continue an interrupted or stopped run to the end, with the same numbers as one that never stopped.

    Args:
        run: its id.
        folder: a data folder; by default the app's.
        objects: the modules, functions and data from Python with which the run was trained, by argument, as in
            ``student=net``. Data that are stored need not be given.

    Raises:
        ValueError: if there is no such run, if it cannot be resumed, if an object is missing, or if the structure of a
            given one differs.
        RuntimeError: if it fails, or is interrupted again.
    """
    row = load_run(run, folder)
    provide_python_parts(json.loads(row.config_json), objects)
    with open_manager(folder) as manager:
        manager.resume_from_checkpoint(run)
        wait(manager, run)
    return load_run(run, folder)


@contextmanager
def open_manager(folder: str | Path | None = None, what: str = "a Python program") -> Iterator[RunManager]:
    """Hold a data folder and run what is started in it; whatever still trains at the end is interrupted.

    Other processes are told ``what`` this one is.

    Raises:
        ValueError: if another process holds the folder.
        StorageError: if the folder cannot be written to.
    """
    folder = data_folder() if folder is None else Path(folder)
    descriptions.add_folder(folder)
    manager = RunManager(folder, devices.device_names(), devices.default_devices(), what)
    try:
        yield manager
    finally:
        manager.close()


def wait(manager: RunManager, run: str) -> None:
    """Wait until a run or sweep is over. Raises RuntimeError if it failed or was interrupted."""
    while (status := manager.status(run)) is not None and status.is_active:
        time.sleep(POLL_SECONDS)
    if status is not None and status.state == "interrupted":
        raise RuntimeError(f"The run {run} was interrupted. {status.notice}".strip())


def folder_of(store: bool | str | Path) -> Path | None:
    """Return the folder meant by ``store=True`` (None, the app's) or ``store="folder"``. Raises ValueError."""
    if not isinstance(store, bool | str | Path) or "\0" in str(store):
        raise ValueError(f"store = {store!r}: it must be True, False, or the path of a folder.")
    return None if isinstance(store, bool) else Path(store)
