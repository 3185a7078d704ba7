"""Runs that are killed in the middle, as by kill -9, and end with the same numbers as if nobody had."""

import random
from pathlib import Path

from kd_core.base.events import Adjusted
from kd_core.config.run import from_flat
from kd_core.training.loop import Trainer
from tools.testing.killed_runs import killed

FLAT = {"dataset": "moons", "epochs": "40", "teacher_epochs": "4", "labelled": "40"}


def test_a_run_killed_five_times_ends_with_the_same_numbers_and_loses_nothing_that_was_read(tmp_path: Path) -> None:
    whole = list(Trainer(from_flat(FLAT)))
    chance = random.Random(7)
    moments = sorted(chance.randrange(len(whole) * 9 // 10) for _ in range(5))
    history = killed(tmp_path, FLAT, moments, chance, {"temperature": 2.0})
    assert history.kills == 5
    assert history.state == "completed"
    changes = [event for event in history.final.values() if isinstance(event, Adjusted)]
    assert [change.new for change in changes] == [2.0]
    assert list(history.final.values()) == list(Trainer(from_flat(FLAT), adjustments=changes))
    assert list(history.final) == list(range(1, len(history.final) + 1))
    assert history.lost == 0
