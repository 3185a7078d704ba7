"""How long a sweep would take."""

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
from kd_core.runs import sweep_eta
from kd_core.runs.sweep_eta import FinishedSweep, SweepEstimator
from tools.testing.waiting import wait

GRID = (Axis("temperature", ("1", "4")), Axis("alpha", ("0.3", "0.9")))
With = Callable[..., RunConfig]


def test_the_work_of_a_sweep_is_the_steps_of_its_students(small: RunConfig) -> None:
    assert sweep_eta.steps(small) == 18  # 6 epochs of 40 examples in batches of 16; the teacher is kept for others
    assert sweep_eta.total_steps(Sweep(small, GRID, (0, 1, 2))) == 18 * 12


def test_a_like_sweep_gives_the_pace_and_an_unlike_one_none(small: RunConfig, small_with: With) -> None:
    past = FinishedSweep(Sweep(small, GRID, (0, 1)), 4.0)
    longer = Sweep(small_with(epochs="12"), (Axis("temperature", ("1", "2", "9")),), (0, 1, 2))
    assert sweep_eta.from_past(longer, [past]) == pytest.approx(4.0 / (8 * 18) * (9 * 36))
    assert sweep_eta.from_past(Sweep(small_with(student_widths="8"), GRID), [past]) is None
    assert sweep_eta.from_past(Sweep(small, GRID, tuple(range(90))), [past]) is None
    assert sweep_eta.from_past(longer, []) is None


def test_what_was_tried_out_is_known_afterwards_and_not_tried_again(small_with: With) -> None:
    sweep, own = Sweep(small_with(epochs="400"), GRID), SweepEstimator()
    assert own.seconds(sweep) is None
    assert own.ask(sweep, "cpu")
    wait(lambda: own.seconds(sweep) is not None, 60)
    assert 0 < own.seconds(sweep) < 600
    assert not own.ask(sweep, "cpu")


def test_a_trial_that_was_stopped_says_nothing(small_with: With) -> None:
    sweep, own = Sweep(small_with(epochs="9000", batch_size="1"), GRID), SweepEstimator()
    own.ask(sweep, "cpu")
    own.stop()
    wait(lambda: "trying out a sweep" not in {thread.name for thread in threading.enumerate()}, 60)
    assert own.seconds(sweep) is None


def test_a_server_that_ends_while_a_sweep_is_tried_out_and_compiled_ends_in_order(tmp_path: Path) -> None:
    code = (
        "import time; from kd_core.base import process; process.exit_without_joining(); "
        "from kd_core import rehearsal; from kd_core.config.run import from_flat; "
        "from kd_core.config.sweep import Axis, Sweep; "
        "base = from_flat({'dataset': 'moons', 'epochs': '9000'}); "
        "rehearsal.shared().ask(Sweep(base, (Axis('temperature', ('1', '4')),)), 'cpu'); time.sleep(0.5)"
    )
    environment = os.environ | {"DISTILLERY_DATA": str(tmp_path)}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
