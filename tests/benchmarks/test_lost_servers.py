"""The benchmark of killed servers finds that a run which was training in a killed app is unharmed."""

import random
from pathlib import Path

import pytest

from benchmarks import lost_servers
from benchmarks.chaos import Job, read, undisturbed
from benchmarks.lost_servers import killed_apps

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

LONG = {"epochs": "300", "teacher_epochs": "1"}  # seconds on a slow machine, and more than the first 0.2 everywhere


@pytest.mark.usefixtures("often")
def test_a_run_whose_app_is_killed_ends_like_an_undisturbed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_servers, "LONG", LONG)
    expected, _ = undisturbed("soft targets", 3, 0.0, **LONG)
    times, missing = killed_apps(Job(tmp_path, "soft targets", 3, 0.4), 1, random.Random(4))
    assert (times, missing) == (1, 0)
    events, states = read(tmp_path)
    assert events == expected
    assert states == ["completed"]
