"""Tests of deleting, restoring and removing runs."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from kd_core.base.events import Adjusted
from kd_core.base.paths import artefact_folder
from kd_core.config.run import RunConfig
from kd_core.config.sweep import Sweep
from kd_core.runs.manager import RunManager
from kd_core.store.queries import RunQueries, Search
from kd_core.store.records import family_of
from kd_core.store.store import Store
from kd_core.store.trash import Trash
from tools.testing.waiting import wait_for_end


def everything(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """The whole database, read past the project."""
    with sqlite3.connect(path) as db:
        return {
            table: sorted(db.execute(f"SELECT * FROM {table}").fetchall(), key=repr)
            for table in ("runs", "sweeps", "events", "snapshots")
        }


@pytest.fixture
def store(tmp_path: Path, small: RunConfig) -> Store:
    """Run a with an event, weights and a checkpoint; run b; the sweep s of runs s0 and s1."""
    store = Store(tmp_path / "distillery.sqlite")
    for run in ("a", "b"):
        store.add(run, small, "completed")
        store.append(run, 1, [(1.0, Adjusted("students", 1, "alpha", 0.9, 0.1))], {1: b"weights"})
    store.add_sweep("s", Sweep.over_seeds(small, [1, 2]), ["s0", "s1"], "completed")
    for run in ("s0", "s1"):
        store.set_state(run, "completed")
    for kind, name in (("runs", "a"), ("runs", "b"), ("sweeps", "s")):
        (tmp_path / kind / name).mkdir(parents=True)
        (tmp_path / kind / name / "checkpoint.safetensors").write_bytes(b"state")
    return store


def test_a_deleted_run_is_hidden_and_restored_unchanged(store: Store, small: RunConfig) -> None:
    before, trash, run_queries = everything(store.path), Trash(store.path), RunQueries(store)
    trash.delete("a")
    trash.delete("s1")
    assert store.run("a") is store.run("s0") is store.sweep("s") is None
    assert [run.id for run in store.runs()] == ["b"]
    assert store.sweeps() == store.members("s") == []
    assert [run.id for run in store.in_state("completed")] == ["b"]
    assert [run.id for run in store.siblings(family_of(small))] == []  # b was changed by hand
    assert [run.id for run in run_queries.page(Search(), 0, 9)] == ["b"]
    assert run_queries.count() == sum(run_queries.choices()["state"].values()) == 1
    assert list(run_queries.by_ids(["a", "b", "s0"])) == ["b"]
    assert [(one.id, one.count) for one in trash.all()] == [("s", 2), ("a", 1)]
    trash.restore("s0")
    trash.restore("a")
    assert everything(store.path) == before
    assert trash.all() == []


def test_emptying_removes_only_the_rows_events_and_files_of_deleted_runs(store: Store, tmp_path: Path) -> None:
    trash = Trash(store.path)
    trash.delete("a")
    trash.delete("s")
    assert trash.empty(tmp_path) == 3
    left = everything(store.path)
    assert [row[0] for row in left["runs"]] == [row[0] for row in left["events"]] == ["b"]
    assert [row[0] for row in left["snapshots"]] == ["b"]
    assert left["sweeps"] == []
    assert sorted(path.parent.name for path in tmp_path.rglob("*.safetensors")) == ["b"]
    with pytest.raises(ValueError, match="removed when the app was restarted or the data folder was full"):
        trash.restore("a")
    assert trash.empty(tmp_path) == 0


def test_files_that_cannot_be_removed_are_tried_again_at_the_next_start(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise OSError("in use")

    trash = Trash(store.path)
    trash.delete("a")
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", refuse)
        assert trash.empty(tmp_path) == 0
    assert store.run("a") is None
    assert trash.empty(tmp_path) == 1
    assert not (tmp_path / "runs" / "a").exists()


@pytest.mark.parametrize("name", ["..", "../..", "../mine", "/mine", "a/../../mine", "", ".", "a\n"])
def test_a_manipulated_database_removes_no_other_folder(
    store: Store, tmp_path: Path, small: RunConfig, name: str
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").write_text("kept")
    before = sorted(tmp_path.rglob("*"))
    store.add(name, small, "completed")
    trash = Trash(store.path)
    trash.delete(name)
    assert trash.empty(tmp_path) == 1
    assert sorted(tmp_path.rglob("*")) == before
    with pytest.raises(ValueError, match="tampered"):
        artefact_folder(tmp_path, "runs", name)


@pytest.mark.parametrize("state", ["queued", "training", "paused"])
def test_a_queued_or_training_run_cannot_be_deleted(store: Store, state: str) -> None:
    trash = Trash(store.path)
    store.set_state("a", state)
    store.set_state("s", state)
    for run in ("a", "s0", "s"):
        with pytest.raises(ValueError, match="Stop it first"):
            trash.delete(run)
    assert store.run("a") is not None
    assert len(store.members("s")) == 2
    assert trash.size_of("s0") == 2


def test_deleting_an_unknown_or_deleted_run(store: Store) -> None:
    trash = Trash(store.path)
    with pytest.raises(ValueError, match="no such run"):
        trash.delete("nothing")
    first = trash.delete("a")
    assert trash.delete("a") == first
    assert trash.find("nothing") is None


def test_deleted_runs_can_be_restored_until_the_app_is_restarted(tmp_path: Path, small: RunConfig) -> None:
    runs = RunManager(tmp_path)
    ids = [runs.start(small.with_flat(seed=seed)) for seed in range(2)]
    for run in ids:
        wait_for_end(runs, run)
    for run in ids:
        runs.trash.delete(run)
    assert runs.status(ids[0]) is None
    runs.trash.restore(ids[0])
    assert runs.status(ids[0]).state == "completed"
    with pytest.raises(ValueError, match="can be resumed"):
        runs.resume_from_checkpoint(ids[1])
    runs.close()
    again = RunManager(tmp_path)
    assert [run.id for run in again.store.runs()] == ids[:1]
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ids[:1]
    again.close()


def test_runs_deleted_before_a_crash_are_removed_at_the_next_start(store: Store, tmp_path: Path) -> None:
    Trash(store.path).delete("a")
    runs = RunManager(tmp_path)
    assert runs.trash.all() == []
    assert not (tmp_path / "runs" / "a").exists()
    runs.close()


def test_a_run_that_was_deleted_cannot_be_queued_again(store: Store) -> None:
    store.set_state("a", "stopped")
    Trash(store.path).delete("a")
    assert store.transition("a", ("stopped",), "queued") is False


@pytest.mark.parametrize("mode", ["new", "old"])
def test_removed_runs_give_their_space_back(store: Store, mode: str) -> None:
    db = sqlite3.connect(store.path, isolation_level=None)
    if mode == "old":  # as earlier versions made the file
        db.execute("PRAGMA auto_vacuum = NONE")
        db.execute("VACUUM")
    remaining = store.events("b")
    for n in range(2, 12):
        store.append("a", n, [(1.0, Adjusted("students", n, "alpha", 0.9, 0.1))], {n: bytes(500_000)})
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    assert store.path.stat().st_size > 5_000_000
    trash = Trash(store.path)
    trash.delete("a")
    trash.empty(store.path.parent)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    assert store.path.stat().st_size < 500_000
    assert store.events("b") == remaining
    db.close()
