from __future__ import annotations

from pathlib import Path

import pytest

from kd_core.base.events import Finished
from kd_core.config.run import from_flat
from kd_core.store.annotations import AnnotationStore, normalize
from kd_core.store.queries import ORDERS, RunQueries, Search
from kd_core.store.store import Store

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
    return [run.id for run in RunQueries(store).page(Search(**search), 0, 10)]


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
    ledger, search = RunQueries(store), Search(facets={"dataset": "moons", "state": ""})
    assert ledger.count(search) == 2
    assert [run.id for run in ledger.page(search, 1, 1)] == ["a"]
    assert ledger.count() == 3
    with pytest.raises(ValueError, match="choose one of newest"):
        ledger.page(Search(order="id; DROP TABLE runs"), 0, 1)


def test_each_filter_knows_its_values_and_how_many_runs_have_them(store: Store) -> None:
    choices = RunQueries(store).choices()
    assert choices["dataset"] == {"moons": 2, "circles": 1}
    assert choices["state"] == {"completed": 2, "failed": 1}
    assert choices["method"] == {"soft_targets": 2, "hard_labels": 1}


def test_runs_are_found_by_name_in_the_order_of_the_link(store: Store) -> None:
    assert list(RunQueries(store).by_ids(["c", "gone", "a"])) == ["c", "a"]
    assert RunQueries(store).by_ids([]) == {}


def test_reading_writes_nothing_and_loads_no_data(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def loaded(dataset: object) -> None:
        raise AssertionError("data were loaded")

    monkeypatch.setattr("kd_core.config.run.load", loaded)
    ledger = RunQueries(store)
    (row,) = ledger.page(Search("hard"), 0, 5)
    assert row.available_config.method.name == "hard_labels"
    with pytest.raises(Exception, match="readonly"):
        ledger._fetch("DELETE FROM runs", ())


def test_runs_are_found_by_what_people_say_of_them_in_any_case(store: Store) -> None:
    labelling = AnnotationStore(store.path)
    labelling.write("a", normalize("Größer als sonst", ["Paper", "Übung"], "a note on\nsharpness"))
    labelling.write("b", normalize("100 %", ["other"]))
    for words in ("GRÖSSER", "paper", "übung", "sharpness sonst"):
        assert ids(store, words=words) == ["a"], words
    assert ids(store, words="100 %") == ["b"]
    assert ids(store, facets={"tag": "PAPER"}) == ["a"]
    assert RunQueries(store).choices()["tag"] == {"Paper": 1, "Übung": 1, "other": 1}


def test_pinned_runs_come_first_in_every_order(store: Store) -> None:
    AnnotationStore(store.path).pin("a", is_pinned=True)
    for order in ORDERS:
        for is_reversed in (False, True):
            assert ids(store, order=order, is_reversed=is_reversed)[0] == "a", order
    assert [run.id for run in RunQueries(store).pinned(5)] == ["a"]


@pytest.mark.parametrize(
    ("order", "found", "reversed_"),
    [("newest", "dcba", "abcd"), ("best", "bcad", "acbd"), ("seed", "dacb", "bcda"), ("name", "bcda", "cbda")],
)
def test_an_order_can_be_turned_and_what_has_no_value_stays_last(
    store: Store, order: str, found: str, reversed_: str
) -> None:
    store.add("d", from_flat(MOONS), "queued")  # without results
    for run, name in (("c", "beta"), ("b", "Alpha")):
        AnnotationStore(store.path).write(run, normalize(name))
    assert ids(store, order=order) == list(found)
    assert ids(store, order=order, is_reversed=True) == list(reversed_)
