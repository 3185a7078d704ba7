"""Tests of the store of runs and events."""

import sqlite3
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import pytest

from kd_core import datasets
from kd_core.base.events import Adjusted, Validated, from_json, to_json
from kd_core.config.run import RunConfig
from kd_core.store.database import MIGRATIONS, migrate
from kd_core.store.store import Store, family_of
from kd_core.training.loop import Trainer


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs.sqlite")


def test_events_are_read_as_they_were_written(store: Store, small: RunConfig) -> None:
    events = list(Trainer(small))
    store.add("a", small, "training")
    store.append("a", 1, [(0.0, event) for event in events])
    assert store.events("a") == list(enumerate(events, start=1))
    assert store.run("a").test == events[-1].test
    assert store.run("a").config == small


def test_events_are_selected_by_number_and_kind(store: Store, small: RunConfig) -> None:
    store.add("a", small, "training")
    changes = [Adjusted("students", n, "alpha", 0.9, 0.1 * n) for n in range(1, 6)]
    store.append("a", 1, [(0.0, change) for change in changes])
    assert [n for n, _ in store.events("a", after=3)] == [4, 5]
    assert store.events("a", kinds=["step"]) == []
    assert store.count("a") == 5


def test_a_rewind_removes_only_the_last_events(store: Store, small: RunConfig) -> None:
    store.add("a", small, "training")
    store.append("a", 1, [(0.0, Adjusted("students", n, "alpha", 0, 1)) for n in range(4)])
    store.rewind("a", 2)
    assert store.count("a") == 2


def test_an_unknown_run_is_none(store: Store) -> None:
    assert store.run("nothing") is None
    assert store.count("nothing") == 0


def test_runs_that_differ_in_their_seed_alone_are_one_family(store: Store, small: RunConfig) -> None:
    for seed in (2, 0, 1):
        store.add(f"s{seed}", small.with_flat(seed=seed), "completed")
    store.add("other", small.with_flat(temperature=2), "completed")
    assert [run.id for run in store.siblings(family_of(small))] == ["s0", "s1", "s2"]


def test_siblings_are_the_newest_completed_run_of_each_seed(store: Store, small: RunConfig) -> None:
    for run, state in (("old", "completed"), ("new", "completed"), ("changed", "completed"), ("stopped", "stopped")):
        store.add(run, small, state)
    store.append("changed", 1, [(0.0, Adjusted("students", 1, "alpha", 0.9, 0.1))])
    for run in ("first try", "second try"):
        store.add(run, small.with_flat(seed=7), "stopped")
    assert [run.id for run in store.siblings(family_of(small))] == ["new", "second try"]
    assert store.was_adjusted("changed")
    assert not store.was_adjusted("new")


def test_a_list_of_runs_loads_no_data_and_marks_unavailable_ones(
    store: Store, small: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(self: object) -> None:
        raise AssertionError("a list of runs loads data")

    monkeypatch.setattr(type(small.dataset), "load", load)
    monkeypatch.setattr(datasets, "_cache", OrderedDict())
    store.add("a", small, "completed")
    row = store.run("a")
    assert row.available_config == small
    assert replace(row, config_json=row.config_json.replace('"name":"', '"name":"no such ')).available_config is None
    monkeypatch.setattr(type(small.dataset), "is_available", lambda _: False)
    assert store.run("a").available_config is None  # its data have been removed since


def test_runs_with_weights_are_selected(store: Store, small: RunConfig) -> None:
    events = [(0.0, Adjusted("students", 1, "alpha", 0.9, 0.1))]
    for run, weights in (("with", {1: b"weights"}), ("without", {}), ("not asked", {1: b"weights"})):
        store.add(run, small, "completed")
        store.append(run, 1, events, weights)
    assert store.with_weights(["with", "without", "nothing"]) == {"with"}


def test_a_database_of_a_newer_version_is_refused_and_left_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "newer.sqlite"
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    before = path.read_bytes()
    with pytest.raises(ValueError, match="newer version of Distillery"):
        Store(path)
    assert path.read_bytes() == before


def test_a_database_of_the_first_schema_opens_with_its_events(tmp_path: Path, small: RunConfig) -> None:
    path = tmp_path / "earlier.sqlite"
    events = list(Trainer(small))[:5]
    with sqlite3.connect(path) as db:
        migrate(db, 0, 1)
        db.execute(
            "INSERT INTO runs (id, created, config, family, seed, state) VALUES ('old', 1, ?, 'f', 0, 'completed')",
            (small.to_json(),),
        )
        rows = [("old", n, 1.0, event.kind, to_json(event)) for n, event in enumerate(events, start=1)]
        db.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?)", rows)
    db.close()
    store = Store(path)
    assert store.run("old").config == small
    assert store.events("old") == list(enumerate(events, start=1))
    assert store.snapshots("old") == []


def test_weights_belong_to_an_event_and_are_removed_with_it(store: Store, small: RunConfig) -> None:
    store.add("a", small, "training")
    evaluations = [Validated("students", n, n, {"student": 0.5}, {"student": 1.0}, {}) for n in range(4)]
    store.append("a", 1, [(0.0, evaluation) for evaluation in evaluations], {2: b"two", 4: b"four"})
    assert store.snapshots("a") == [(2, evaluations[1]), (4, evaluations[3])]
    assert store.weights("a", 2) == b"two"
    assert store.weights("a", 3) is None
    store.rewind("a", 3)
    assert [n for n, _ in store.snapshots("a")] == [2]


def test_a_failed_transaction_changes_nothing(store: Store, small: RunConfig) -> None:
    store.add("a", small, "training")
    change = (0.0, Adjusted("students", 1, "alpha", 0.9, 0.1))
    store.append("a", 1, [change])
    with pytest.raises(sqlite3.IntegrityError):
        store.append("a", 1, [change])
    assert store.count("a") == 1


def test_an_event_with_a_number_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        to_json(Adjusted("students", 1, "alpha", 0.9, float("nan")))


def test_an_unknown_kind_of_event_is_named() -> None:
    with pytest.raises(ValueError, match="future"):
        from_json('{"event": "future"}')
