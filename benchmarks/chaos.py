"""Runs, sweeps and searches whose process is killed, disk is full, clock jumps or database is locked.

``python -m benchmarks.chaos`` checks that each ends with the numbers of an undisturbed one, and that no event is lost
that was read from the store before. Searches need Optuna.
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import random
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

from benchmarks.support.rows import Row, report
from kd_core.base.events import to_json
from kd_core.config.run import from_flat
from kd_core.config.sweep import Axis, Sweep
from kd_core.config.sweep.search import plan_search
from kd_core.runs import event_writer
from kd_core.runs.manager import COMPLETED, INTERRUPTED, STOPPED, RunManager
from kd_core.store import database
from kd_core.store.store import DATABASE, Store

KILLS, TROUBLES = 100, 30  # processes killed; disks filled, clocks turned and databases locked, each
PACE = 0.02  # seconds per epoch of a single run, long enough to be disturbed in
TIMEOUT = 180.0  # seconds
POLL = 0.02  # seconds
DAYS = 86_400.0
SHORT = {"dataset": "moons", "epochs": "30", "teacher_epochs": "4", "labelled": "40"}
LONG = {"dataset": "moons", "epochs": "300", "teacher_epochs": "20", "labelled": "40"}  # of stacks, which take seconds
KINDS: dict[str, dict[str, str]] = {
    "soft targets": {},
    "hints, with adapters": {"method": "hints"},
    "momentum and a schedule": {"optimiser": "sgd", "schedule": "cosine"},
    "weight averaging, best checkpoint": {"keep": "best", "ema": "0.99"},
    "mutual learning": {"scheme": "mutual"},
    "a language model": {
        "dataset": "python_docs",
        "epochs": "2",
        "teacher_epochs": "1",
        "student_hidden": "6",
        "teacher_hidden": "12",
        "labelled": "0",
    },
    "a sweep": {"kind": "sweep"},
    "a search": {"kind": "search"},
}
Events = dict[tuple[int, int], str]  # as JSON by place of the run and number of the event


def start(runs: RunManager, kind: str, seed: int, pace: float = PACE, **changes: str) -> str:
    """Start what a kind stands for, and return its id. Its own settings count more than the ``changes``."""
    flat = dict(KINDS[kind])
    what = flat.pop("kind", "run")
    if what == "run":
        return runs.start(from_flat(SHORT | changes | flat | {"seed": str(seed)}), pace=pace)
    base = from_flat(changes | LONG | {"seed": str(seed)})
    if what == "sweep":
        axes = (Axis("temperature", ("1", "4")), Axis("method", ("soft_targets", "hints")))
        return runs.start_sweep(Sweep(base, axes, (seed, seed + 1)))
    space = {"temperature": "1..16", "alpha": "0..1"}
    return runs.start_search(plan_search(base, space, {}, (seed, seed + 1), trials=8, batch=4, confirmations=2)[0])


def often() -> None:
    """Write so often that a disturbance is likely to interrupt it."""
    event_writer.FLUSH_SECONDS, event_writer.CHECKPOINT_SECONDS, event_writer.CHECKPOINT_FRACTION = 0.02, 0.15, 1.0


def train(folder: Path, kind: str, seed: int) -> None:
    """Start or resume what is in a folder and wait for its end, the body of a process."""
    often()
    runs = RunManager(folder)
    rows = runs.store.sweeps() or runs.store.runs()
    run = rows[0].id if rows else start(runs, kind, seed)
    if rows and rows[0].state in (INTERRUPTED, STOPPED):
        runs.resume_from_checkpoint(run)
        runs.set_pace(run, PACE if not runs.store.sweeps() else 0.0)
    while runs.status(run).is_active:
        time.sleep(POLL)
    runs.close()


def read(folder: Path) -> tuple[Events, list[str]]:
    """Return every stored event, and the states of what is in a folder."""
    store = Store(folder / DATABASE)
    sweep = next(iter(store.sweeps()), None)
    members = store.members(sweep.id) if sweep else store.runs()
    events = {
        (place, number): to_json(event) for place, run in enumerate(members) for number, event in store.events(run.id)
    }
    return events, [*([sweep.state] if sweep else []), *(run.state for run in members)]


def lost(before: Events, after: Events) -> int:
    """Return how many events are missing or other ones."""
    return sum(after.get(key) != event for key, event in before.items())


def undisturbed(kind: str, seed: int, pace: float = PACE, **changes: str) -> tuple[Events, float]:
    """Return the events of a run without any trouble, and its seconds."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        runs = RunManager(Path(folder))
        run = start(runs, kind, seed, pace, **changes)
        while runs.status(run).is_active:
            time.sleep(POLL)
        runs.close()
        return read(Path(folder))[0], time.monotonic() - began


@dataclass(frozen=True)
class Job:
    """A run, sweep or search in a folder of its own, and the seconds that it takes undisturbed."""

    folder: Path
    kind: str
    seed: int
    seconds: float


class Killed:
    """Processes that are killed at random moments and started again on the same folder."""

    def __init__(self) -> None:
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["benchmarks.chaos"])
        # As a module of its own, since a process cannot find what belongs to the command that started it.
        self.target = importlib.import_module("benchmarks.chaos").train

    def run(self, job: Job, count: int, rng: random.Random) -> tuple[int, int]:
        """Return how often a process was killed while it trained, and how many events were lost by it."""
        done, seen = 0, list[Events]()
        for number in range(count + 1):
            process = self.context.Process(target=self.target, args=(job.folder, job.kind, job.seed), daemon=True)
            with patch.dict(sys.modules, {"__main__": ModuleType("__main__")}):
                process.start()
            if number == count:
                process.join(TIMEOUT)
                break
            # Later than the start of the process, which takes a while.
            wait_for_folder(job.folder, process)
            process.join(rng.uniform(0, job.seconds / count))
            done += process.is_alive()
            process.kill()
            process.join()
            with contextlib.suppress(sqlite3.OperationalError, ValueError):  # killed before there was a database
                seen.append(read(job.folder)[0])
        process.kill()
        process.join()
        final = read(job.folder)[0]
        return done, sum(lost(events, final) for events in seen)


def wait_for_folder(folder: Path, process: multiprocessing.process.BaseProcess) -> None:
    """Wait until a process trains."""
    end = time.monotonic() + TIMEOUT
    while process.is_alive() and time.monotonic() < end:
        if is_training(folder):
            return
        time.sleep(POLL)


def is_training(folder: Path) -> bool:
    """Return whether a stored run is in training; False without a readable database."""
    try:
        with closing(sqlite3.connect(f"file:{folder / DATABASE}?mode=ro", uri=True)) as db:
            return db.execute("SELECT 1 FROM runs WHERE state = 'training'").fetchone() is not None
    except sqlite3.Error:
        return False


@contextlib.contextmanager
def full_disk(folder: Path, rng: random.Random) -> Iterator[None]:
    """Let no file grow, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = max(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    resource.setrlimit(resource.RLIMIT_FSIZE, (rng.choice([1, 4096, size]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def other_clock(_: Path, rng: random.Random) -> Iterator[None]:
    """Turn the clock by up to ten years."""
    offset, clock = rng.uniform(-3650, 3650) * DAYS, time.time
    with patch("time.time", lambda: clock() + offset):
        yield


@contextlib.contextmanager
def locked_database(folder: Path, rng: random.Random) -> Iterator[None]:
    """Lock the database as another program that writes, or that reads and writes all of it."""
    with closing(sqlite3.connect(folder / DATABASE, timeout=5, isolation_level=None)) as db:
        with contextlib.suppress(sqlite3.OperationalError):
            db.execute(rng.choice(["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"]))
        yield
        with contextlib.suppress(sqlite3.OperationalError):
            db.execute("ROLLBACK")


Trouble = Callable[[Path, random.Random], contextlib.AbstractContextManager[None]]
FORMS: Mapping[str, Trouble] = {
    "full disks": full_disk, "clocks that jump": other_clock, "locked databases": locked_database,
}  # fmt: skip


def disturbed(job: Job, count: int, trouble: Trouble, rng: random.Random) -> tuple[int, int]:
    """Return how often a run in this process was disturbed while it trained, and how many events were lost by it."""
    runs = RunManager(job.folder)
    run = start(runs, job.kind, job.seed)
    done, seen = 0, list[Events]()
    while runs.status(run).state == "queued":
        time.sleep(POLL)
    for _ in range(count):
        time.sleep(rng.uniform(0, job.seconds / count))
        if not runs.status(run).is_active:
            break
        seen.append(read(job.folder)[0])
        with trouble(job.folder, rng):
            time.sleep(rng.uniform(0.05, 1.0))
            done += runs.status(run).is_active
    while runs.status(run).is_active:
        time.sleep(POLL)
    if runs.status(run).state == INTERRUPTED:
        runs.resume_from_checkpoint(run)
        while runs.status(run).is_active:
            time.sleep(POLL)
    runs.close()
    final = read(job.folder)[0]
    return done, sum(lost(events, final) for events in seen)


def measure(kills: int = KILLS, troubles: int = TROUBLES) -> list[Row]:
    """Measure how runs end, and which events are lost, for each form of trouble."""
    rng, killed = random.Random(2026), Killed()
    rows: list[Row] = []
    total = {"kills": kills, **dict.fromkeys(FORMS, troubles)}
    for form, wanted in total.items():
        same, missing, stored, count, number = list[float](), list[float](), list[float](), 0, 0
        while count < wanted:
            kind = list(KINDS)[number % len(KINDS)]
            expected, seconds = undisturbed(kind, number)
            often()
            each = min(-(-wanted // (2 * len(KINDS))), wanted - count)  # so that every kind has its turn
            with (
                tempfile.TemporaryDirectory() as folder,
                patch.object(database, "TIMEOUT", 0.3),
                patch.object(event_writer, "RETRY_SECONDS", 0.1),
            ):
                job = Job(Path(folder), kind, number, seconds)
                if form == "kills":
                    done, gone = killed.run(job, each, rng)
                else:
                    done, gone = disturbed(job, each, FORMS[form], rng)
                final, states = read(job.folder)
            is_same = final == expected and set(states) <= {COMPLETED, "pruned"}
            same += [float(is_same)] * done
            missing.append(float(gone))
            stored.append(float(len(final)))
            count, number = count + done, number + 1
            print(
                f"{form}, {kind}: {done}, {'same' if is_same else 'OTHER'} numbers, {gone} events lost, "
                f"{count} of {wanted}", flush=True,
            )  # fmt: skip
        rows += [
            Row(f"{form}: after which the numbers were the same", f"of {len(same)}", [sum(same)], "all", all(same)),
            Row(f"{form}: read events that were lost, per run", "events", missing, "0", not any(missing)),
            Row(f"{form}: events per run", "events", stored),
        ]
    return rows


if __name__ == "__main__":
    report("chaos", __doc__, measure)
