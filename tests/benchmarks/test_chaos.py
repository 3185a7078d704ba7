"""The benchmark of killed processes, full disks, clocks and locks finds what is unharmed, and what is not."""

import random
from pathlib import Path

import pytest

from benchmarks import chaos
from benchmarks.chaos import FORMS, Job, disturbed, lost, read, undisturbed
from kd_core.store import database

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def whole() -> tuple[chaos.Events, float]:
    return undisturbed("soft targets", 3)


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("form", ["locked databases", "clocks that jump"])
def test_a_disturbed_run_ends_like_an_undisturbed_one(
    form: str, whole: tuple[chaos.Events, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "TIMEOUT", 0.3)
    times, missing = disturbed(Job(tmp_path, "soft targets", 3, 0.4), 1, FORMS[form], random.Random(4))
    assert times == 1
    assert missing == 0
    events, states = read(tmp_path)
    assert events == whole[0]
    assert states == ["completed"]


def test_missing_and_other_events_are_counted() -> None:
    assert lost({(0, 1): "a", (0, 2): "b", (1, 1): "c"}, {(0, 1): "a", (0, 2): "x"}) == 2
