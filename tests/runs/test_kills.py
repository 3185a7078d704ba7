"""Runs that are killed as by kill -9 and end with the numbers of an undisturbed run."""

import random
from pathlib import Path

import pytest

from kd_core.base.events import Adjusted
from kd_core.config.run import from_flat
from kd_core.training.loop import Trainer
from tools.testing.killed_runs import train_with_kills

pytestmark = pytest.mark.slow

FLAT = {"dataset": "moons", "epochs": "40", "teacher_epochs": "4", "labelled": "40"}


def test_a_run_killed_five_times_ends_with_the_same_numbers_and_loses_no_stored_event(tmp_path: Path) -> None:
    whole = list(Trainer(from_flat(FLAT)))
    rng = random.Random(7)
    moments = sorted(rng.randrange(len(whole) * 9 // 10) for _ in range(5))
    history = train_with_kills(tmp_path, FLAT, moments, rng, {"temperature": 2.0})
    assert history.kills == 5
    assert history.state == "completed"
    changes = [event for event in history.final.values() if isinstance(event, Adjusted)]
    assert [change.new for change in changes] == [2.0]
    assert list(history.final.values()) == list(Trainer(from_flat(FLAT), adjustments=changes))
    assert list(history.final) == list(range(1, len(history.final) + 1))
    assert history.lost == 0
