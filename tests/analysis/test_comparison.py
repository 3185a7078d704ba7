from __future__ import annotations

from collections.abc import Callable

import pytest
from scipy import stats

from kd_core.analysis import comparison
from kd_core.base.events import Finished, Network
from kd_core.config.run import RunConfig
from kd_core.store.store import Store

TESTS = {0: (0.90, 0.80), 1: (0.88, 0.80), 2: (0.95, 0.81)}  # student, baseline


def finished(student: float, baseline: float) -> Finished:
    common = {"loss": 0.3, "calibration_error": 0.05, "entropy": 0.2, "examples": 100.0}
    test = {"student": {"accuracy": student, "agreement": 0.7, **common}, "baseline": {"accuracy": baseline, **common}}
    return Finished("completed", "students", 1, {}, test)


@pytest.fixture
def store(tmp_path, small_with: Callable[..., RunConfig]) -> Store:
    store = Store(tmp_path / "d.sqlite")
    for seed, (student, baseline) in TESTS.items():
        store.add(f"s{seed}", small_with(seed=str(seed)), "completed")
        store.append(f"s{seed}", 1, [(1.0, finished(student, baseline))])
    store.add("late", small_with(seed="9"), "training")
    return store


def test_only_what_differs_is_listed_and_a_setting_that_one_lacks_is_empty(
    small_with: Callable[..., RunConfig],
) -> None:
    configs = {"A": small_with(), "B": small_with(epochs="7"), "C": small_with(method="hard_labels")}
    found = comparison.differences(configs)
    assert found["epochs"] == {"A": "6", "B": "7", "C": "6"}
    assert found["alpha"] == {"A": "0.9", "B": "0.9", "C": ""}
    assert "dataset" not in found
    assert comparison.differences({"A": small_with(), "B": small_with()}) == {}


def test_nothing_on_the_front_is_beaten_and_everything_else_is() -> None:
    points = [(1.0, 0.5), (2.0, 0.5), (2.0, 0.9), (3.0, 0.7), (3.0, 0.9), (0.5, 0.1), (2.0, 0.9), (9.0, 0.95)]

    def is_beaten(point: tuple[float, float]) -> bool:
        return any(own != point and own[0] <= point[0] and own[1] >= point[1] for own in points)

    assert comparison.pareto_front(points) == [5, 0, 2, 6, 7]
    assert set(comparison.pareto_front(points)) == {at for at, point in enumerate(points) if not is_beaten(point)}
    assert comparison.pareto_front([]) == []


def test_a_group_has_all_its_completed_seeds_and_pairs_them(store: Store) -> None:
    (found,) = comparison.seed_groups(store, [store.run("s1"), store.run("late")])
    assert [run.id for run in found.runs] == ["s0", "s1", "s2"]
    assert found.gains == pytest.approx({0: 10, 1: 8, 2: 14})
    students = [90, 88, 95]
    assert found.student.value == pytest.approx(91)
    assert found.student.interval == pytest.approx(
        stats.t.interval(0.95, 2, loc=91, scale=stats.sem(students))
    )  # fmt: skip
    assert found.verdict.outcome == "gain"
    assert found.verdict.interval == pytest.approx(comparison.mean([10, 8, 14]).interval)


def test_a_family_without_a_completed_run_is_no_group(store: Store, small_with: Callable[..., RunConfig]) -> None:
    store.add("other", small_with(epochs="9"), "stopped")
    assert comparison.seed_groups(store, [store.run("other")]) == []


def test_one_seed_has_no_interval() -> None:
    assert comparison.mean([91.0]) == comparison.Mean(91.0, None)


def test_a_network_is_judged_only_where_the_test_split_was_asked(store: Store) -> None:
    networks = [Network(role, "MLP", 1, 2, 3, "") for role in ("teacher", "student", "baseline")]
    found = comparison.network_results(store.run("s0"), networks)
    assert [(own.network.role, own.accuracy, own.agreement) for own in found] == [
        ("student", 0.9, 0.7), ("baseline", 0.8, None),
    ]  # fmt: skip
    assert comparison.network_results(store.run("late"), networks) == []
