from __future__ import annotations

from pathlib import Path

import pytest

from kd_core.config import from_flat
from kd_core.events import Finished
from kd_core.ledger import Ledger, Search
from kd_core.store import Store

MOONS = {"dataset": "moons", "epochs": "3"}


def finished(student: float, baseline: float) -> Finished:
    test = {"student": {"accuracy": student}, "baseline": {"accuracy": baseline}}
    return Finished("completed", "students", 1, {}, test)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Three runs: b is the best, c has the largest gain."""
    store = Store(tmp_path / "d.sqlite")
    for run, flat, said in (
        ("a", {}, finished(0.7, 0.7)),
        ("b", {"method": "hard_labels", "seed": "12"}, finished(0.9, 0.85)),
        ("c", {"dataset": "circles", "seed": "3"}, finished(0.8, 0.6)),
    ):
        store.add(run, from_flat(MOONS | flat), "queued")
        store.append(run, 1, [(1.0, said)])
        store.set_state(run, "failed" if run == "c" else "completed")
    return store


def ids(store: Store, **search: object) -> list[str]:
    return [run.id for run in Ledger(store).page(Search(**search), 0, 10)]


@pytest.mark.parametrize(
    ("order", "found"),
    [("newest", "cba"), ("oldest", "abc"), ("best", "bca"), ("gain", "cba"), ("data", "cba")],
)
def test_runs_come_in_the_order_asked_for(store: Store, order: str, found: str) -> None:
    assert ids(store, order=order) == list(found)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", "cba"), ("two moons", "ba"), ("MOONS hard", "b"), ("failed", "c"), ("12", "b"),
        ("moons failed", ""), ("100%", ""), ("' OR 1=1 --", ""),
    ],
)  # fmt: skip
def test_every_word_of_a_search_must_be_found(store: Store, words: str, found: str) -> None:
    assert ids(store, words=words) == list(found)


def test_filters_and_pages_count_alike(store: Store) -> None:
    ledger, search = Ledger(store), Search(facets={"dataset": "moons", "state": ""})
    assert ledger.count(search) == 2
    assert [run.id for run in ledger.page(search, 1, 1)] == ["a"]
    assert ledger.count() == 3
    with pytest.raises(ValueError, match="choose one of newest"):
        ledger.page(Search(order="id; DROP TABLE runs"), 0, 1)


def test_each_filter_knows_its_values_and_how_many_runs_have_them(store: Store) -> None:
    choices = Ledger(store).choices()
    assert choices["dataset"] == {"moons": 2, "circles": 1}
    assert choices["state"] == {"completed": 2, "failed": 1}
    assert choices["method"] == {"soft_targets": 2, "hard_labels": 1}


def test_runs_are_found_by_name_in_the_order_of_the_link(store: Store) -> None:
    assert list(Ledger(store).named(["c", "gone", "a"])) == ["c", "a"]
    assert Ledger(store).named([]) == {}


def test_reading_writes_nothing_and_loads_no_data(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def loaded(dataset: object) -> None:
        raise AssertionError("data were loaded")

    monkeypatch.setattr("kd_core.config.load", loaded)
    ledger = Ledger(store)
    (row,) = ledger.page(Search("hard"), 0, 5)
    assert row.listed.method.name == "hard_labels"
    with pytest.raises(Exception, match="readonly"):
        ledger._all("DELETE FROM runs", ())
