"""Tests of databases of every schema version, newer and foreign ones included."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from kd_core.base.events import Adjusted, Event, Finished, Step, to_json
from kd_core.config.run import RunConfig
from kd_core.config.sweep import Axis, Sweep
from kd_core.runs.manager import RunManager
from kd_core.store import database
from kd_core.store.database import MIGRATIONS, migrate
from kd_core.store.step_codec import encode_steps
from kd_core.store.store import Store
from kd_core.training.loop import Trainer
from tools.testing.waiting import wait_for_end

VERSIONS = range(1, len(MIGRATIONS) + 1)


def write_database(path: Path, version: int, config: RunConfig, events: list[Event]) -> None:
    """Write a database as that version did, with one run that was interrupted after ``events``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        migrate(db, 0, version)
        db.execute(
            "INSERT INTO runs (id, created, config, family, seed, state) VALUES ('old', 1, ?, 'f', 0, 'training')",
            (config.to_json(),),
        )
        if version < 3:  # each step had a row of its own
            rows = [("old", n, 1.0, event.kind, to_json(event)) for n, event in enumerate(events, start=1)]
            db.executemany("INSERT INTO events (run, n, at, kind, body) VALUES (?, ?, ?, ?, ?)", rows)
        else:
            n = 1
            for event in events:
                kind, body = (
                    ("steps", encode_steps([event])) if isinstance(event, Step) else (event.kind, to_json(event))
                )
                db.execute("INSERT INTO events VALUES ('old', ?, 1.0, ?, ?, 1)", (n, kind, body))
                n += 1
        if version >= 2:
            db.execute("INSERT INTO snapshots VALUES ('old', 2, ?)", (b"weights",))
        if version >= 4:
            text = Sweep(config, (Axis("alpha", ("0.5",)),)).to_json()
            db.execute(
                "INSERT INTO sweeps (id, created, sweep, state, seconds) VALUES ('sweep', 1, ?, 'completed', 1)",
                (text,),
            )


@pytest.mark.parametrize("version", VERSIONS)
def test_a_database_of_every_version_opens_and_its_interrupted_run_is_resumed(
    tmp_path: Path, small: RunConfig, version: int
) -> None:
    events = list(Trainer(small))
    write_database(tmp_path / "distillery.sqlite", version, small, events[:40])
    runs = RunManager(tmp_path)
    row = runs.store.run("old")
    assert (row.config, row.state) == (small, "interrupted")
    assert runs.integrity_report.interrupted == ("old",)
    assert [event for _, event in runs.store.events("old")] == events[:40]
    assert runs.store.weights("old", 2) == (b"weights" if version >= 2 else None)
    assert [sweep.id for sweep in runs.store.sweeps()] == (["sweep"] if version >= 4 else [])
    runs.resume_from_checkpoint("old")
    assert wait_for_end(runs, "old") == "completed"
    assert [event for _, event in runs.store.events("old")] == events
    runs.close()


@pytest.mark.parametrize("version", VERSIONS[:-1])
def test_a_failed_migration_leaves_the_database_unchanged(
    tmp_path: Path, small: RunConfig, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "distillery.sqlite"
    write_database(path, version, small, [])
    last = (*MIGRATIONS[-1], "CREATE TABLE runs (id TEXT)")
    monkeypatch.setattr(database, "MIGRATIONS", (*MIGRATIONS[:-1], last))
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        Store(path)
    monkeypatch.undo()
    assert database.version_of(path) == version
    assert Store(path).run("old").config == small


def test_a_newer_database_with_a_journal_is_refused_and_left_unchanged(tmp_path: Path, small: RunConfig) -> None:
    store = Store(tmp_path / "distillery.sqlite")
    store.add("a", small, "training")
    store._db().execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for file in ("distillery.sqlite", "distillery.sqlite-wal"):  # its last words are in the journal alone
        shutil.copy(tmp_path / file, crashed)
    before = {path.name: path.read_bytes() for path in crashed.iterdir()}
    with pytest.raises(ValueError, match="newer version of Distillery"):
        RunManager(crashed)
    assert {name: (crashed / name).read_bytes() for name in before} == before


def test_the_database_of_another_program_is_refused_and_left_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "distillery.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE recipes (title TEXT)")
    before = path.read_bytes()
    with pytest.raises(ValueError, match="belongs to another program"):
        Store(path)
    assert path.read_bytes() == before


def test_a_database_without_a_table_of_its_version_is_refused(tmp_path: Path, small: RunConfig) -> None:
    path = tmp_path / "distillery.sqlite"
    write_database(path, 4, small, [])
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE snapshots")
    with pytest.raises(ValueError, match="has no snapshots, though its schema is 4"):
        Store(path)


def test_removed_option_changes_are_returned_until_they_are_repeated(tmp_path: Path, small: RunConfig) -> None:
    store = Store(tmp_path / "a.sqlite")
    store.add("a", small, "training")
    first, second = (Adjusted("students", step, "alpha", 0.9, value) for step, value in ((5, 0.1), (9, 0.2)))
    store.append("a", 1, [(0.0, first), (0.0, second)])
    store.rewind("a", 0)
    assert store.changes("a", 0) == [first, second]
    store.append("a", 1, [(0.0, first)])
    assert store.changes("a", 0) == [first, second]
    assert store.changes("a", 1) == [second]  # a checkpoint of after the first holds it
    store.rewind("a", 1)
    store.rewind("a", 0)
    assert {change.step for change in store.changes("a", 0)} == {5, 9}


def test_the_outcome_is_that_of_the_last_event(tmp_path: Path, small: RunConfig) -> None:
    store = Store(tmp_path / "a.sqlite")
    store.add("a", small, "training")
    assert store.outcome("a") == ""
    store.append("a", 1, [(0.0, Finished("stopped", "students", 3, {}, {}))])
    assert store.outcome("a") == "stopped"
    store.append("a", 2, [(0.0, Adjusted("students", 1, "alpha", 0.9, 0.1))])
    assert store.outcome("a") == ""
