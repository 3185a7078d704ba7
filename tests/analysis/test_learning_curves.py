from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from kd_core.analysis import learning_curves
from kd_core.base.events import Event, Network, PhaseInfo, Prepared, Step, Validated
from kd_core.config.run import from_flat
from kd_core.store.queries import RunQueries
from kd_core.store.store import Store

TEACHER = PhaseInfo("teacher", ["teacher"], 1, 2)
STUDENTS = PhaseInfo("students", ["student", "baseline"], 2, 4)


def step(number: int, loss: float) -> Step:
    parts = {"student": {"CE": [loss, 0.1 * loss], "KL": [2.0, 1.8]}, "baseline": {"CE": [1.0, 1.0]}}
    return Step("students", number, 1, parts, {"student": 0.1 * loss + 1.8, "baseline": 1.0}, 0.01)


def look(phase: str, number: int, epoch: int, **accuracy: float) -> Validated:
    return Validated(phase, number, epoch, accuracy, dict.fromkeys(accuracy, 0.5), {})


@pytest.fixture
def ledger(tmp_path: Path) -> RunQueries:
    store = Store(tmp_path / "d.sqlite")
    store.add("r", from_flat({"dataset": "moons"}), "completed")
    networks = [Network(role, "MLP 8", 10, 20, 40, "", role) for role in ("teacher", "student", "baseline")]
    said: list[tuple[float, Event]] = [
        (100.0, Prepared(["0", "1"], {"test": 9}, networks, [TEACHER, STUDENTS])),
        (101.0, look("teacher", 0, 0, teacher=0.5)),
        (103.0, look("teacher", 2, 1, teacher=0.9)),
        (110.0, look("students", 0, 0, student=0.4, baseline=0.3)),
        *[(118.0, step(number, float(number))) for number in (1, 2, 3, 4)],
        (118.0, look("students", 4, 1, student=0.6, baseline=0.5)),
        *[(120.0, step(number, float(number))) for number in (5, 6, 7, 8)],
        (120.0, look("students", 8, 2, student=0.8, baseline=0.7)),
    ]
    store.append("r", 1, said)
    return RunQueries(store)


def test_accuracy_is_placed_by_steps_epochs_and_seconds_since_the_network_began(ledger: RunQueries) -> None:
    found = learning_curves.read_curves(ledger, "r")
    student = found["student", "accuracy"]
    assert student.values == [0.4, 0.6, 0.8]
    assert student.at == {"step": [0, 4, 8], "epoch": [0, 1, 2], "seconds": [0, 8, 10]}
    assert found["teacher", "accuracy"].at["seconds"] == [0, 2]


def test_steps_of_one_row_are_spread_over_its_time(ledger: RunQueries) -> None:
    found = learning_curves.read_curves(ledger, "r")
    loss = found["student", "part CE"]
    assert loss.values == [1, 2, 3, 4, 5, 6, 7, 8]
    assert loss.at["seconds"] == [2, 4, 6, 8, 8.5, 9, 9.5, 10]
    assert loss.at["epoch"] == [0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2]
    assert found["student", "training_loss"].values[0] == pytest.approx(1.9)
    assert set(found["baseline", "learning_rate"].values) == {0.01}
    assert ("teacher", "training_loss") not in found


def test_many_steps_become_few_points_with_the_same_mean(ledger: RunQueries, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning_curves, "POINTS", 3)  # 8 steps: groups of 3, 3 and 2
    loss = learning_curves.read_curves(ledger, "r")["student", "part CE"]
    assert loss.values == [2, 5, 7.5]
    assert loss.at["step"] == [3, 6, 8]


def test_a_run_that_has_said_nothing_has_no_curves(ledger: RunQueries) -> None:
    assert learning_curves.read_curves(ledger, "unknown") == {}


@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_smoothing_is_the_moving_average_of_pandas(share: float) -> None:
    values = np.random.default_rng(0).normal(size=50).tolist()
    oracle = pd.Series(values).ewm(alpha=1 - share, adjust=True).mean()
    np.testing.assert_allclose(learning_curves.smooth(values, share), oracle)


def test_several_curves_become_their_mean_with_the_interval_of_students_t() -> None:
    members = [([0, 2, 4], [1.0, 3.0, 5.0]), ([0, 1, 2, 3], [2.0, 2.0, 4.0, 4.0]), ([0, 2, 3], [3.0, 8.0, 8.0])]
    found = learning_curves.mean_curve(members)
    assert found.x == [0, 2]  # where all of them are
    assert found.mean == [2, 5]
    low, high = stats.t.interval(0.95, 2, loc=5, scale=stats.sem([3, 4, 8]))
    assert (found.low[1], found.high[1]) == pytest.approx((low, high))
    with pytest.raises(ValueError, match="at least two"):
        learning_curves.mean_curve(members[:1])
