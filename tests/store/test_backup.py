"""Tests of backup, restoration and shrinking of data folders."""

from __future__ import annotations

import errno
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from kd_core.base.errors import StorageError
from kd_core.base.events import Adjusted
from kd_core.config.run import RunConfig
from kd_core.runs.manager import RunManager
from kd_core.store import backup
from kd_core.store.database import MIGRATIONS
from kd_core.store.store import Store
from tests.store.test_trash import everything
from tools.testing.waiting import wait, wait_for_end

DATABASE = "distillery.sqlite"


@pytest.fixture
def folder(tmp_path: Path, small: RunConfig) -> Path:
    """A data folder with the completed run a, its checkpoint, and a downloaded data set."""
    folder = tmp_path / "data"
    Store(folder / DATABASE).add("a", small, "completed")
    for path in (folder / "runs" / "a" / "checkpoint.safetensors", folder / "datasets" / "mnist"):
        path.parent.mkdir(parents=True)
        path.write_text(path.name)
    return folder


@pytest.mark.slow
def test_a_backup_of_a_training_run_is_resumed_with_the_numbers_of_one_that_was_never_interrupted(
    tmp_path: Path, small_with, often: None
) -> None:
    config = small_with(epochs="60", teacher_epochs="2")
    runs = RunManager(tmp_path / "data")
    run = runs.start(config, pace=0.02)
    wait(
        lambda: any((tmp_path / "data" / "runs" / run).glob("checkpoint*.safetensors")) and runs.store.count(run) > 100
    )
    backup.back_up(tmp_path / "data", tmp_path / "copy")
    assert runs.status(run).is_active
    runs.set_pace(run, 0.0)
    assert wait_for_end(runs, run) == "completed"
    complete = runs.store.events(run)
    runs.close()

    backup.restore(tmp_path / "copy", tmp_path / "new")
    again = RunManager(tmp_path / "new")
    assert 0 < again.store.count(run) < len(complete)
    again.resume_from_checkpoint(run)
    assert wait_for_end(again, run) == "completed"
    assert [event for _, event in again.store.events(run)] == [event for _, event in complete]
    again.close()


def test_a_backup_is_one_database_file_that_needs_no_log(folder: Path, tmp_path: Path) -> None:
    store = Store(folder / DATABASE)  # its connection is open, so the log holds the last row
    store.append("a", 1, [(1.0, Adjusted("students", 1, "alpha", 0.9, 0.1))])
    assert (folder / f"{DATABASE}-wal").stat().st_size
    backup.back_up(folder, tmp_path / "copy")
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == [DATABASE, "runs"]
    shutil.copy(tmp_path / "copy" / DATABASE, tmp_path / "alone.sqlite")
    assert everything(tmp_path / "alone.sqlite") == everything(folder / DATABASE)
    with closing(
        sqlite3.connect(f"file:{tmp_path}/alone.sqlite?immutable=1", uri=True)
    ) as db:  # as on a read-only disk
        assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_a_backup_that_did_not_end_is_refused_when_it_is_restored(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(source: str, target: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(backup, "_copy_file", fail)
    with pytest.raises(StorageError, match="No space left"):
        backup.back_up(folder, tmp_path / "copy")
    with pytest.raises(ValueError, match="is no backup"):
        backup.restore(tmp_path / "copy", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_restoration_moves_the_present_runs_aside_and_leaves_downloads(
    folder: Path, tmp_path: Path, small: RunConfig
) -> None:
    backup.back_up(folder, tmp_path / "copy")
    Store(folder / DATABASE).add("later", small, "completed")
    before = everything(folder / DATABASE)
    with pytest.raises(ValueError, match="--replace"):
        backup.restore(tmp_path / "copy", folder)
    assert everything(folder / DATABASE) == before
    aside = backup.restore(tmp_path / "copy", folder, replaces=True)
    assert [run.id for run in Store(folder / DATABASE).runs()] == ["a"]
    assert (folder / "datasets" / "mnist").exists()
    assert (folder / "runs" / "a" / "checkpoint.safetensors").read_text() == "checkpoint.safetensors"
    assert everything(aside / DATABASE) == before
    assert backup.restore(aside, folder, replaces=True) != aside  # and back again
    assert everything(folder / DATABASE) == before


@pytest.mark.parametrize("damage", ["cut", "newer", "foreign"])
def test_a_damaged_newer_or_foreign_backup_changes_nothing(folder: Path, tmp_path: Path, damage: str) -> None:
    copy, before = tmp_path / "copy", everything(folder / DATABASE)
    backup.back_up(folder, copy)
    if damage == "cut":
        content = (copy / DATABASE).read_bytes()
        (copy / DATABASE).write_bytes(content[: len(content) // 2])
    else:
        with closing(sqlite3.connect(copy / DATABASE)) as db:
            statement = f"PRAGMA user_version = {len(MIGRATIONS) + 1}" if damage == "newer" else "DROP TABLE events"
            db.execute(statement)
    with pytest.raises(ValueError, match=r"damaged|newer version"):
        backup.restore(copy, folder, replaces=True)
    assert everything(folder / DATABASE) == before


def test_a_folder_in_use_is_not_replaced(tmp_path: Path, folder: Path, small: RunConfig) -> None:
    backup.back_up(folder, tmp_path / "copy")
    runs = RunManager(folder)
    with pytest.raises(ValueError, match="Another Distillery is using the folder"):
        backup.restore(tmp_path / "copy", folder, replaces=True)
    assert [run.id for run in runs.store.runs()] == ["a"]
    runs.close()


def test_vacuum_shrinks_the_database_also_while_it_is_in_use(folder: Path, small: RunConfig) -> None:
    store = Store(folder / DATABASE)
    for number in range(40):
        store.add(f"run{number}", small, "completed")
        store.append(f"run{number}", 1, [(1.0, Adjusted("s", 1, "alpha", 0.9, 0.1))], {1: bytes(50_000)})
    runs = RunManager(folder)
    with runs.store._transaction() as db:  # as a version before incremental vacuum would leave it
        db.execute("DELETE FROM runs WHERE id != 'a'")
    before, after = backup.vacuum(folder)
    assert before > 2_000_000
    assert after < 200_000
    assert [run.id for run in runs.store.runs()] == ["a"]
    runs.close()


def test_vacuum_waits_for_a_writer_and_then_says_that_it_is_busy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kd_core.store.database.TIMEOUT", 0.2)
    begun, end = threading.Event(), threading.Event()

    def write() -> None:
        with Store(folder / DATABASE)._transaction() as db:
            db.execute("UPDATE runs SET seconds = 1")
            begun.set()
            end.wait(20)

    thread = threading.Thread(target=write)
    thread.start()
    begun.wait(20)
    with pytest.raises(StorageError, match="Another program holds it"):
        backup.vacuum(folder)
    end.set()
    thread.join(20)
    backup.vacuum(folder)
