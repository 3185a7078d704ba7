"""Comparison of stored runs, with numbers worked out by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

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


def test_only_differing_settings_are_listed_and_a_missing_one_is_empty(
    small_with: Callable[..., RunConfig],
) -> None:
    configs = {"A": small_with(), "B": small_with(epochs="7"), "C": small_with(method="hard_labels")}
    table = comparison.differences(configs)
    assert table["epochs"] == {"A": "6", "B": "7", "C": "6"}
    assert table["alpha"] == {"A": "0.9", "B": "0.9", "C": ""}
    assert "dataset" not in table
    assert comparison.differences({"A": small_with(), "B": small_with()}) == {}


def test_no_point_of_the_front_is_dominated_and_every_other_one_is() -> None:
    points = [(1.0, 0.5), (2.0, 0.5), (2.0, 0.9), (3.0, 0.7), (3.0, 0.9), (0.5, 0.1), (2.0, 0.9), (9.0, 0.95)]

    def is_dominated(point: tuple[float, float]) -> bool:
        return any(other != point and other[0] <= point[0] and other[1] >= point[1] for other in points)

    assert comparison.pareto_front(points) == [5, 0, 2, 6, 7]
    assert set(comparison.pareto_front(points)) == {
        index for index, point in enumerate(points) if not is_dominated(point)
    }
    assert comparison.pareto_front([]) == []


def test_a_group_has_all_its_completed_seeds_and_pairs_them(store: Store) -> None:
    (group,) = comparison.seed_groups(store, [store.run("s1"), store.run("late")])
    assert [run.id for run in group.runs] == ["s0", "s1", "s2"]
    assert group.gains == pytest.approx({0: 10, 1: 8, 2: 14})
    half = 4.302653 * 13**0.5 / 3**0.5  # t of 2 degrees of freedom; 90, 88 and 95 have the variance 13
    assert group.student.value == pytest.approx(91)
    low, high = group.student.interval
    assert 91 - half - 6 < low < 91 - half  # 100 test examples widen it, above up to the limit
    assert high == 100
    assert group.gain.value == pytest.approx(32 / 3)
    assert group.verdict.interval == group.gain.interval


def test_a_family_without_a_completed_run_is_no_group(store: Store, small_with: Callable[..., RunConfig]) -> None:
    store.add("other", small_with(epochs="9"), "stopped")
    assert comparison.seed_groups(store, [store.run("other")]) == []


def test_one_seed_has_a_gain_without_an_interval(store: Store) -> None:
    group = comparison.seed_group([store.run("s1")])
    assert group.gain == comparison.Mean(pytest.approx(8), None)
    assert group.verdict.outcome == "single"


def test_only_evaluated_networks_have_results(store: Store) -> None:
    networks = [Network(role, "MLP", 1, 2, 3, "") for role in ("teacher", "student", "baseline")]
    results = comparison.network_results(store.run("s0"), networks)
    assert [(result.network.role, result.accuracy, result.agreement) for result in results] == [
        ("student", 0.9, 0.7), ("baseline", 0.8, None),
    ]  # fmt: skip
    assert comparison.network_results(store.run("late"), networks) == []
