"""Tests of search, filters, order and pages of stored runs."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from kd_core.base.events import Adjusted, Finished
from kd_core.config.run import from_flat
from kd_core.config.sweep import Axis, Sweep
from kd_core.store.annotations import AnnotationStore, normalize
from kd_core.store.queries import ORDERS, RunQueries, Search
from kd_core.store.store import Store

MOONS = {"dataset": "moons", "epochs": "3"}


def finished(student: float, baseline: float) -> Finished:
    test = {"student": {"accuracy": student}, "baseline": {"accuracy": baseline}}
    return Finished("completed", "students", 1, {}, test)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store with three runs, of which b is the best; c failed with the student far above the baseline."""
    store = Store(tmp_path / "d.sqlite")
    for run, flat, event in (
        ("a", {}, finished(0.7, 0.7)),
        ("b", {"method": "hard_labels", "seed": "12"}, finished(0.9, 0.85)),
        ("c", {"dataset": "circles", "seed": "3"}, finished(0.8, 0.6)),
    ):
        store.add(run, from_flat(MOONS | flat), "queued")
        store.append(run, 1, [(1.0, event)])
        store.set_state(run, "failed" if run == "c" else "completed")
    return store


def ids(store: Store, **search: object) -> list[str]:
    return [run.id for run in RunQueries(store).page(Search(**search), 0, 10)]


@pytest.mark.parametrize(
    ("order", "expected"),
    [("newest", "cba"), ("oldest", "abc"), ("best", "bca"), ("gain", "bac"), ("data", "cba")],
)
def test_runs_are_listed_in_the_requested_order(store: Store, order: str, expected: str) -> None:
    assert ids(store, order=order) == list(expected)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", "cba"), ("two moons", "ba"), ("MOONS hard", "b"), ("failed", "c"), ("12", "b"),
        ("moons failed", ""), ("100%", ""), ("' OR 1=1 --", ""),
    ],
)  # fmt: skip
def test_every_word_of_a_search_must_be_found(store: Store, words: str, expected: str) -> None:
    assert ids(store, words=words) == list(expected)


def test_filters_apply_to_counts_and_pages(store: Store) -> None:
    run_queries, search = RunQueries(store), Search(facets={"dataset": "moons", "state": ""})
    assert run_queries.count(search) == 2
    assert [run.id for run in run_queries.page(search, 1, 1)] == ["a"]
    assert run_queries.count() == 3
    with pytest.raises(ValueError, match="choose one of newest"):
        run_queries.page(Search(order="id; DROP TABLE runs"), 0, 1)


def test_the_runs_of_a_sweep_are_one_row_with_their_number(store: Store) -> None:
    alone = RunQueries(store).count()
    sweep = Sweep(from_flat({"dataset": "moons"}), (Axis("alpha", ("0.3", "0.9")), Axis("epochs", ("1", "2"))), (0, 1))
    store.add_sweep("s", sweep, [f"s{number}" for number in range(8)], "completed")
    queries = RunQueries(store)
    for order, is_reversed in itertools.product(ORDERS, (False, True)):
        search = Search(order=order, is_reversed=is_reversed)
        expected: dict[str, list[str]] = {}
        for run in queries.page(search, 0, 100):  # grouped here without SQL
            expected.setdefault(run.sweep or run.id, []).append(run.id)
        rows = [(run.id, size) for run, size, _ in queries.rows(search, 0, 100)]
        assert rows == [(runs[0], len(runs)) for runs in expected.values()]
        assert [(run.id, size) for run, size, _ in queries.rows(search, 1, 2)] == rows[1:3]
    assert queries.count_rows() == alone + 1
    assert [row.size for row in queries.rows(Search("0.3 s1"), 0, 9)] == [1] * queries.count(Search("0.3 s1"))
    of_sweep = Search(sweep="s", order="oldest")
    assert [row.run.id for row in queries.rows(of_sweep, 0, 100)] == [f"s{number}" for number in range(8)]
    assert (queries.count(of_sweep), queries.count_rows(of_sweep)) == (8, 8)


def test_runs_that_differ_in_their_seed_alone_are_one_row(store: Store) -> None:
    for seed in (5, 6):
        store.add(f"e{seed}", from_flat(MOONS | {"seed": str(seed)}), "completed")
    repeated = Sweep.over_seeds(from_flat(MOONS), (7, 8))
    store.add_sweep("seeds", repeated, ["r7", "r8"], "completed")
    swept = Sweep(from_flat(MOONS), (Axis("alpha", ("0.3", "0.9")),), (0,))
    store.add_sweep("s", swept, ["s0", "s1"], "completed")
    queries = RunQueries(store)
    rows = {row.run.id: (row.size, row.sweep) for row in queries.rows(Search(), 0, 9)}
    assert rows == {"s1": (2, "s"), "r8": (5, ""), "b": (1, ""), "c": (1, "")}
    opened = queries.rows(Search(seeds_of="a", order="seed"), 0, 9)
    assert [(row.run.seed, row.size) for row in opened] == [(0, 1), (5, 1), (6, 1), (7, 1), (8, 1)]
    keys = queries.group_keys(["a", "e5", "r7", "s0", "b"])
    assert keys["a"] == keys["e5"] == keys["r7"] != keys["b"]
    assert keys["s0"] == "s"
    AnnotationStore(store.path).write("e6", normalize("mine", [], ""))
    assert {row.run.id: row.size for row in queries.rows(Search(), 0, 9)}["e6"] == 1


def test_the_runs_worth_comparing_are_of_the_newest_data_and_of_no_sweep(store: Store) -> None:
    queries = RunQueries(store)
    compared = lambda **search: [run.id for run in queries.comparable(Search(**search), 3)]  # noqa: E731
    assert compared() == ["b", "a"]  # c failed
    store.add("e", from_flat(MOONS | {"seed": "5"}), "completed")  # the family of a
    assert compared() == ["e", "b"]
    store.add("h", from_flat(MOONS | {"seed": "6"}), "queued")
    store.append("h", 1, [(1.0, Adjusted("students", 1, "alpha", 0.9, 0.5)), (2.0, finished(0.9, 0.9))])
    store.set_state("h", "completed")
    swept = Sweep(from_flat(MOONS), (Axis("alpha", ("0.3", "0.9")),), (0,))
    store.add_sweep("s", swept, ["s0", "s1"], "completed")
    assert compared() == ["e", "b"]
    assert compared(sweep="s") == ["s1", "s0"]
    store.add("d", from_flat(MOONS | {"dataset": "circles"}), "completed")
    assert compared() == ["d"]
    assert compared(facets={"dataset": "moons"}) == ["e", "b"]
    assert compared(seeds_of="a") == ["e", "a"]


def test_choices_are_the_values_with_their_numbers_of_runs(store: Store) -> None:
    choices = RunQueries(store).choices()
    assert choices["dataset"] == {"moons": 2, "circles": 1}
    assert choices["state"] == {"completed": 2, "failed": 1}
    assert choices["method"] == {"soft_targets": 2, "hard_labels": 1}


def test_runs_are_returned_in_the_order_of_their_ids(store: Store) -> None:
    assert list(RunQueries(store).by_ids(["c", "gone", "a"])) == ["c", "a"]
    assert RunQueries(store).by_ids([]) == {}


def test_queries_write_nothing_and_load_no_data(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def loaded(dataset: object) -> None:
        raise AssertionError("data were loaded")

    monkeypatch.setattr("kd_core.config.run.load", loaded)
    run_queries = RunQueries(store)
    (row,) = run_queries.page(Search("hard"), 0, 5)
    assert row.available_config.method.name == "hard_labels"
    with pytest.raises(Exception, match="readonly"):
        run_queries._fetch("DELETE FROM runs", ())


def test_annotations_are_searched_whatever_their_case(store: Store) -> None:
    annotation_store = AnnotationStore(store.path)
    annotation_store.write("a", normalize("Größer als sonst", ["Paper", "Übung"], "a note on\nsharpness"))
    annotation_store.write("b", normalize("100 %", ["other"]))
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
    ("order", "expected", "reversed_"),
    [("newest", "dcba", "abcd"), ("best", "bcad", "acbd"), ("seed", "dacb", "bcda"), ("name", "bcda", "cbda")],
)
def test_a_reversed_order_keeps_runs_without_a_value_last(
    store: Store, order: str, expected: str, reversed_: str
) -> None:
    store.add("d", from_flat(MOONS), "queued")  # without results
    for run, name in (("c", "beta"), ("b", "Alpha")):
        AnnotationStore(store.path).write(run, normalize(name))
    assert ids(store, order=order) == list(expected)
    assert ids(store, order=order, is_reversed=True) == list(reversed_)
