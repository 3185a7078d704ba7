"""Runs in processes that are killed without warning and started again on the same data folder.

The processes are forked from one that has imported the engine already, which saves the time of the imports.
"""

from __future__ import annotations

import multiprocessing
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

from kd_core.base.events import Event
from kd_core.config.run import from_flat
from kd_core.runs import event_writer
from kd_core.runs.manager import INTERRUPTED, STOPPED, RunManager
from kd_core.store.store import DATABASE, Store

PACE = 0.02  # seconds per epoch, long enough to be killed in
TIMEOUT = 120.0  # seconds
POLL = 0.02  # seconds
UNCHANGED = 100  # events before a live option is changed

Events = dict[int, Event]  # by number


@dataclass
class History:
    """Events that were stored when each process was killed, and at the end."""

    kills: int = 0
    seen: list[Events] = field(default_factory=list)
    final: Events = field(default_factory=dict)
    state: str = ""

    @property
    def lost(self) -> int:
        """Number of events that were stored at a kill and are missing or different at the end."""
        return sum(self.final.get(number) != event for events in self.seen for number, event in events.items())


def train(folder: Path, flat: Mapping[str, str], changes: Mapping[str, float]) -> None:
    """Start or resume the run of a folder and wait for its end; ``changes`` of live options are made once."""
    # Writing often makes it likely that a kill interrupts it.
    event_writer.FLUSH_SECONDS, event_writer.CHECKPOINT_SECONDS, event_writer.CHECKPOINT_FRACTION = 0.02, 0.15, 1.0
    runs = RunManager(folder)
    rows = runs.store.runs()
    run = rows[0].id if rows else runs.start(from_flat(flat), pace=PACE)
    if rows and rows[0].state in (INTERRUPTED, STOPPED):
        runs.resume_from_checkpoint(run)
        runs.set_pace(run, PACE)
    # A change alters all later events, so none of them may have been stored without it.
    earliest, is_changed = max(UNCHANGED, runs.store.count(run)), not changes or bool(runs.store.changes(run, 0))
    while runs.status(run).is_active:
        if not is_changed and runs.store.count(run) > earliest:
            runs.adjust(run, **changes)
            is_changed = True
        time.sleep(POLL)
    runs.close()


def train_with_kills(
    folder: Path, flat: Mapping[str, str], moments: Sequence[int], rng: random.Random, changes: Mapping[str, float]
) -> History:
    """Train a run that is killed up to 0.2 s after each number of events in ``moments``, and then left to its end."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tools.testing.killed_runs"])
    history = History()
    for moment in [*moments, None]:
        process = context.Process(target=train, args=(folder, dict(flat), dict(changes)), daemon=True)
        # A page test leaves app.py as the main module, which the process would import.
        with patch.dict(sys.modules, {"__main__": ModuleType("__main__")}):
            process.start()
        end = time.monotonic() + TIMEOUT
        while process.is_alive() and time.monotonic() < end and (moment is None or event_count(folder) < moment):
            time.sleep(POLL)
        if moment is not None:
            time.sleep(rng.uniform(0, 0.2))
            history.kills += process.is_alive()
        process.kill()
        process.join()
        history.seen.append(_read(folder)[0])
    history.final, history.state = _read(folder)
    return history


def event_count(folder: Path) -> int:
    """Return the number of readable events, 0 without a database."""
    try:
        with closing(sqlite3.connect(f"file:{folder / DATABASE}?mode=ro", uri=True)) as db:
            return int(db.execute("SELECT max(n + count - 1) FROM events").fetchone()[0] or 0)
    except sqlite3.Error:
        return 0


def _read(folder: Path) -> tuple[Events, str]:
    """Return all stored events and the state, read from a copy, so that the next process finds what the kill left."""
    with tempfile.TemporaryDirectory() as copy:
        for file in folder.glob(f"{DATABASE}*"):
            if not file.name.endswith("-shm"):
                shutil.copy(file, copy)
        store = Store(Path(copy) / DATABASE)
        rows = store.runs()
        return (dict(store.events(rows[0].id)), rows[0].state) if rows else ({}, "")
