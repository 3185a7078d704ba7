"""Curves of stored runs, compared with pandas and with numbers worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kd_core.analysis import learning_curves
from kd_core.analysis.learning_curves import CurveThinner, TrainingAxis, steps_per_point
from kd_core.base.events import Event, Network, PhaseInfo, Prepared, Step, Validated
from kd_core.config.run import from_flat
from kd_core.store.queries import RunQueries
from kd_core.store.store import Store

TEACHER = PhaseInfo("teacher", ["teacher"], 1, 2)
STUDENTS = PhaseInfo("students", ["student", "baseline"], 2, 4)


def step(number: int, loss: float) -> Step:
    parts = {"student": {"CE": [loss, 0.1 * loss], "KL": [2.0, 1.8]}, "baseline": {"CE": [1.0, 1.0]}}
    return Step("students", number, 1, parts, {"student": 0.1 * loss + 1.8, "baseline": 1.0}, 0.01)


def evaluation(phase: str, number: int, epoch: int, **accuracy: float) -> Validated:
    return Validated(phase, number, epoch, accuracy, dict.fromkeys(accuracy, 0.5), {})


@pytest.fixture
def queries(tmp_path: Path) -> RunQueries:
    store = Store(tmp_path / "d.sqlite")
    store.add("r", from_flat({"dataset": "moons"}), "completed")
    networks = [Network(role, "MLP 8", 10, 20, 40, "", role) for role in ("teacher", "student", "baseline")]
    events: list[tuple[float, Event]] = [
        (100.0, Prepared(["0", "1"], {"test": 9}, networks, [TEACHER, STUDENTS])),
        (101.0, evaluation("teacher", 0, 0, teacher=0.5)),
        (103.0, evaluation("teacher", 2, 1, teacher=0.9)),
        (110.0, evaluation("students", 0, 0, student=0.4, baseline=0.3)),
        *[(118.0, step(number, float(number))) for number in (1, 2, 3, 4)],
        (118.0, evaluation("students", 4, 1, student=0.6, baseline=0.5)),
        *[(120.0, step(number, float(number))) for number in (5, 6, 7, 8)],
        (120.0, evaluation("students", 8, 2, student=0.8, baseline=0.7)),
    ]
    store.append("r", 1, events)
    return RunQueries(store)


def test_a_network_counts_the_epochs_of_its_own_phases() -> None:
    phases = [PhaseInfo("first", ["a", "b"], 2, 10), PhaseInfo("second", ["a"], 3, 5), PhaseInfo("third", ["b"], 1, 4)]
    axis = TrainingAxis(phases)
    assert (axis.steps("a", "second", 5), axis.epochs("a", "second", 5)) == (25, 3)
    assert (axis.steps("b", "third", 2), axis.epochs("b", "third", 2)) == (22, 2.5)
    assert axis.epochs("new", "third", 4) == 1
    assert axis.total_steps == {"a": 35, "b": 24}


def test_a_thinned_curve_has_the_means_of_consecutive_steps_and_of_what_is_left() -> None:
    thinner = CurveThinner[str]()
    means = [thinner.add("loss", value, 3) for value in (1, 2, 6, 4, 5, 0, 7)]
    assert means == [None, None, 3, None, None, 3, None]
    assert thinner.rest() == {"loss": 7}


@pytest.mark.parametrize("size", [1, 3, 50])
def test_many_steps_at_once_are_thinned_like_single_ones(size: int) -> None:
    values, single, many = np.random.default_rng(0).random(40), CurveThinner[str](), CurveThinner[str]()
    means = [single.add("loss", float(value), size) for value in values]
    expected = [(index, mean) for index, mean in enumerate(means) if mean is not None]
    points, start = [], 0
    for end in (2, 3, 19, 40):
        points += [(start + index, mean) for index, mean in many.add_all("loss", values[start:end], size)]
        start = end
    assert [index for index, _ in points] == [index for index, _ in expected]
    assert [mean for _, mean in points] == pytest.approx([mean for _, mean in expected])
    assert many.rest() == pytest.approx(single.rest())


@pytest.mark.parametrize(("steps", "size"), [(0, 1), (600, 1), (601, 2), (1801, 4)])
def test_a_curve_has_at_most_that_many_points(steps: int, size: int) -> None:
    assert steps_per_point(steps, 600) == size


def test_accuracy_is_placed_by_steps_epochs_and_seconds_since_the_network_began(queries: RunQueries) -> None:
    curves = learning_curves.read_curves(queries, "r")
    student = curves["student", "accuracy"]
    assert student.values == [0.4, 0.6, 0.8]
    assert student.at == {"step": [0, 4, 8], "epoch": [0, 1, 2], "seconds": [0, 8, 10]}
    assert curves["teacher", "accuracy"].at["seconds"] == [0, 2]


def test_steps_of_one_row_are_spread_over_its_time(queries: RunQueries) -> None:
    curves = learning_curves.read_curves(queries, "r")
    loss = curves["student", "part CE"]
    assert loss.values == [1, 2, 3, 4, 5, 6, 7, 8]
    assert loss.at["seconds"] == [2, 4, 6, 8, 8.5, 9, 9.5, 10]
    assert loss.at["epoch"] == [0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2]
    assert curves["student", "training_loss"].values[0] == pytest.approx(1.9)
    assert set(curves["baseline", "learning_rate"].values) == {0.01}
    assert ("teacher", "training_loss") not in curves


def test_many_steps_become_few_points_with_the_same_mean(queries: RunQueries, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning_curves, "POINTS", 3)  # 8 steps: groups of 3, 3 and 2
    loss = learning_curves.read_curves(queries, "r")["student", "part CE"]
    assert loss.values == [2, 5, 7.5]
    assert loss.at["step"] == [3, 6, 8]


def test_a_run_without_events_has_no_curves(queries: RunQueries) -> None:
    assert learning_curves.read_curves(queries, "unknown") == {}


@pytest.mark.parametrize("weight", [0.0, 0.5, 0.95])
def test_smoothing_is_the_moving_average_of_pandas(weight: float) -> None:
    values = np.random.default_rng(0).normal(size=50).tolist()
    oracle = pd.Series(values).ewm(alpha=1 - weight, adjust=True).mean()
    np.testing.assert_allclose(learning_curves.smooth(values, weight), oracle)


def test_several_curves_become_their_mean_with_the_interval_of_students_t() -> None:
    curves = [([0, 2, 4], [1.0, 3.0, 5.0]), ([0, 1, 2, 3], [2.0, 2.0, 4.0, 4.0]), ([0, 2, 3], [3.0, 8.0, 8.0])]
    result = learning_curves.mean_curve(curves)
    assert result.x == [0, 2]  # where all of them are
    assert result.mean == [2, 5]
    half = 4.302653 * math.sqrt(7) / math.sqrt(3)  # t of 2 degrees of freedom; 3, 4 and 8 have the variance 7
    assert (result.low[1], result.high[1]) == pytest.approx((5 - half, 5 + half))
    with pytest.raises(ValueError, match="at least two"):
        learning_curves.mean_curve(curves[:1])


def test_the_other_curves_are_interpolated_between_their_points() -> None:
    result = learning_curves.mean_curve([([0, 1, 2], [0.0, 0.0, 0.0]), ([0, 4], [0.0, 8.0])])
    assert result.mean == [0, 1, 2]
