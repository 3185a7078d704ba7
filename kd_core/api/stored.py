"""Start runs in a data folder, wait for them, and load them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from torch import nn

from kd_core.analysis.replay import Replay
from kd_core.api.result import Result
from kd_core.base import devices
from kd_core.base.events import Event
from kd_core.base.paths import artefact_folder, data_folder
from kd_core.config.run import RunConfig
from kd_core.files.checkpoint import CheckpointRotation
from kd_core.files.lock import is_data_folder_in_use
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

    def _networks_of_checkpoint(self) -> dict[str, nn.Module]:
        folder = artefact_folder(self._store.path.parent, "runs", self.id)
        state, _ = next(CheckpointRotation(folder).candidates())
        return Trainer(self.config, device="cpu", resume=state).networks if state else {}


def load_run(run: str, folder: str | Path | None = None) -> StoredRun:
    """Load a run that the app, the command line or ``store=True`` has stored in a data folder.

    Args:
        run: its id, as in the address of the app's pages.
        folder: a data folder; by default the app's.

    Raises:
        ValueError: if there is no such run, or if it needs data or a plug-in that this installation does not have.
    """
    store = open_store(folder)
    row = store.run(run)
    if row is not None:
        return StoredRun(store, row)
    if members := store.members(run):
        raise ValueError(f"{run} is a sweep. Load one of its {len(members)} runs, such as {members[0].id}.")
    raise ValueError(f"There is no run {run} in {store.path.parent}.")


def open_store(folder: str | Path | None = None) -> Store:
    """Open the database of a data folder for reading. Raises ValueError if there is none.

    Runs that a killed process left active have ended for all who read it, as in the app.
    """
    path = (data_folder() if folder is None else Path(folder)) / DATABASE
    if not path.is_file():
        raise ValueError(f"Nothing is stored in {path.parent} yet.")
    store = Store(path)
    if (ended := store.outcomes_of_active()) and not is_data_folder_in_use(path.parent):
        store.unwritten |= ended
    return store


@contextmanager
def open_manager(folder: str | Path | None = None) -> Iterator[RunManager]:
    """Hold a data folder and run what is started in it; whatever still trains at the end is interrupted.

    Raises:
        ValueError: if another process holds the folder.
        StorageError: if the folder cannot be written to.
    """
    manager = RunManager(
        data_folder() if folder is None else Path(folder), devices.device_names(), devices.default_devices()
    )
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
    """Return the folder meant by ``store=True`` (None, the app's) or ``store="folder"``."""
    return None if isinstance(store, bool) else Path(store)
