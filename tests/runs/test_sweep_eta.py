"""Estimated duration of a sweep."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from kd_core.config.run import RunConfig
from kd_core.config.sweep import Axis, Sweep
from kd_core.runs.sweeps import sweep_eta
from kd_core.runs.sweeps.sweep_eta import FinishedSweep, SweepEstimator
from tools.testing.waiting import wait

pytestmark = pytest.mark.slow

GRID = (Axis("temperature", ("1", "4")), Axis("alpha", ("0.3", "0.9")))
With = Callable[..., RunConfig]


def test_the_steps_of_a_sweep_are_those_of_its_students(small: RunConfig) -> None:
    assert sweep_eta.steps(small) == 18  # 6 epochs of 40 examples in batches of 16; the teacher is kept for others
    assert sweep_eta.total_steps(Sweep(small, GRID, (0, 1, 2))) == 18 * 12


def test_a_similar_sweep_gives_an_estimate_and_a_different_one_none(small: RunConfig, small_with: With) -> None:
    past = FinishedSweep(Sweep(small, GRID, (0, 1)), 4.0)
    longer = Sweep(small_with(epochs="12"), (Axis("temperature", ("1", "2", "9")),), (0, 1, 2))
    assert sweep_eta.estimate_from_past(longer, [past]) == pytest.approx(4.0 / (8 * 18) * (9 * 36))
    assert sweep_eta.estimate_from_past(Sweep(small_with(student_widths="8"), GRID), [past]) is None
    assert sweep_eta.estimate_from_past(Sweep(small, GRID, tuple(range(90))), [past]) is None
    assert sweep_eta.estimate_from_past(longer, []) is None


def test_a_sweep_is_tried_once(small_with: With) -> None:
    sweep, estimator = Sweep(small_with(epochs="400"), GRID), SweepEstimator()
    assert estimator.seconds(sweep) is None
    assert estimator.request(sweep, "cpu")
    wait(lambda: estimator.seconds(sweep) is not None, 60)
    assert 0 < estimator.seconds(sweep) < 600
    assert not estimator.request(sweep, "cpu")


def test_a_stopped_trial_gives_no_estimate(small_with: With) -> None:
    sweep, estimator = Sweep(small_with(epochs="9000", batch_size="1"), GRID), SweepEstimator()
    estimator.request(sweep, "cpu")
    estimator.stop()
    wait(lambda: "trial of a sweep" not in {thread.name for thread in threading.enumerate()}, 60)
    assert estimator.seconds(sweep) is None


def test_a_process_ends_cleanly_during_a_trial(tmp_path: Path) -> None:
    code = (
        "import time; from kd_core.base import process; process.exit_without_joining(); "
        "from kd_core.runs.sweeps import sweep_eta; from kd_core.config.run import from_flat; "
        "from kd_core.config.sweep import Axis, Sweep; "
        "base = from_flat({'dataset': 'moons', 'epochs': '9000'}); "
        "sweep_eta.get_estimator().request(Sweep(base, (Axis('temperature', ('1', '4')),)), 'cpu'); time.sleep(0.5)"
    )
    environment = os.environ | {"DISTILLERY_DATA": str(tmp_path)}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
