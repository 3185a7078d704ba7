"""Runs in processes of their own, which are killed without warning, and begun again on the same data folder.

The processes are forked from one that has loaded the engine already, so that a life costs no start.
"""

from __future__ import annotations

import multiprocessing
import random
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from kd_core.base.events import Event
from kd_core.config.run import from_flat
from kd_core.runs import event_writer
from kd_core.runs.manager import INTERRUPTED, STOPPED, RunManager
from kd_core.store.store import Store

PACE = 0.02  # seconds per epoch: long enough to be killed in
PATIENCE = 120.0  # seconds
POLL = 0.02  # seconds
UNCHANGED = 100  # events before anything is changed by hand
DATABASE = "distillery.sqlite"

Said = dict[int, Event]  # by number


@dataclass
class History:
    """What a reader had seen when each process was killed, and what was there in the end."""

    kills: int = 0
    seen: list[Said] = field(default_factory=list)
    final: Said = field(default_factory=dict)
    state: str = ""

    @property
    def lost(self) -> int:
        """Events that had been stored before a kill, and are not what is stored in the end."""
        return sum(self.final.get(n) != event for said in self.seen for n, event in said.items())


def live(folder: Path, flat: Mapping[str, str], changes: Mapping[str, float]) -> None:
    """One life: starts the run of a folder, or goes on with it, until it ends. ``changes`` are made by hand, once."""
    # Far more often than usual, so that a kill meets every moment of writing.
    event_writer.FLUSH_SECONDS, event_writer.CHECKPOINT_SECONDS, event_writer.CHECKPOINT_FRACTION = 0.02, 0.15, 1.0
    runs = RunManager(folder)
    rows = runs.store.runs()
    run = rows[0].id if rows else runs.start(from_flat(flat), pace=PACE)
    if rows and rows[0].state in (INTERRUPTED, STOPPED):
        runs.resume_from_checkpoint(run)
        runs.set_pace(run, PACE)
    # What is changed by hand begins another history, so nobody may have seen more of the old one by then.
    begins, is_changed = max(UNCHANGED, runs.store.count(run)), not changes or bool(runs.store.changes(run, 0))
    while runs.status(run).is_active:
        if not is_changed and runs.store.count(run) > begins:
            runs.adjust(run, **changes)
            is_changed = True
        time.sleep(POLL)
    runs.close()


def killed(
    folder: Path, flat: Mapping[str, str], moments: Sequence[int], chance: random.Random, changes: Mapping[str, float]
) -> History:
    """A run that is killed as soon as it has said so many events for the first time, and some milliseconds later; then
    it is let go on to its end."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tools.testing.killed_runs"])
    history = History()
    for moment in [*moments, None]:
        life = context.Process(target=live, args=(folder, dict(flat), dict(changes)), daemon=True)
        life.start()
        end = time.monotonic() + PATIENCE
        while life.is_alive() and time.monotonic() < end and (moment is None or stored(folder) < moment):
            time.sleep(POLL)
        if moment is not None:
            time.sleep(chance.uniform(0, 0.2))
            history.kills += life.is_alive()
        life.kill()
        life.join()
        history.seen.append(_said(folder)[0])
    history.final, history.state = _said(folder)
    return history


def stored(folder: Path) -> int:
    """How many events anybody can read, 0 while there is nothing to read them from."""
    try:
        with closing(sqlite3.connect(f"file:{folder / DATABASE}?mode=ro", uri=True)) as db:
            return int(db.execute("SELECT max(n + count - 1) FROM events").fetchone()[0] or 0)
    except sqlite3.Error:
        return 0


def _said(folder: Path) -> tuple[Said, str]:
    """Everything that is stored, and the state. Read from a copy: the next process shall find what the kill left."""
    with tempfile.TemporaryDirectory() as place:
        for file in folder.glob(f"{DATABASE}*"):
            if not file.name.endswith("-shm"):
                shutil.copy(file, place)
        store = Store(Path(place) / DATABASE)
        rows = store.runs()
        return (dict(store.events(rows[0].id)), rows[0].state) if rows else ({}, "")
