"""Runs of a lesson that compresses its students."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kd_core.config.claims import network
from kd_core.config.lessons import Compression, Point
from kd_core.runs.manager import RunManager
from kd_core.runs.questions.lesson_runs import missing_sentence, stored_lesson_runs
from tests.config.test_lessons import LESSON
from tools.testing.waiting import wait

QUICK = {"dataset": "moons", "epochs": "3", "teacher_epochs": "2", "labelled": "40"}
COMPRESSED = replace(
    LESSON,
    families={"moons": QUICK},
    points={"pruned": Point("pruned", network("moons", "pruned")), "int8": Point("int8", network("moons", "int8"))},
    difference=network("moons", "int8") - network("moons"),
    compression=Compression(0.5),
)


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunManager]:
    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path))
    manager = RunManager(tmp_path)
    yield manager
    manager.close()


@pytest.mark.slow
def test_students_are_pruned_trained_again_and_measured_once(manager: RunManager) -> None:
    pytest.importorskip("torch_pruning")
    pytest.importorskip("onnxruntime")

    def runs():
        return stored_lesson_runs(manager.store, COMPRESSED, 7)

    runs().queue(manager.start_sweep, manager.start)
    wait(lambda: runs().is_second_due, 60)
    assert not runs().is_complete
    runs().queue(manager.start_sweep, manager.start)
    assert not runs().is_second_due
    assert len(runs().jobs) <= 2
    wait(lambda: runs().is_complete, 60)
    assert runs().done == COMPRESSED.run_count == 4
    assert runs().fraction_done == 1
    assert len(runs().runs) == 4
    tests = runs().tests()
    second = {run.id: run for run in runs().second.values()}
    for seed, metrics in tests["moons"].items():
        first = next(run for run in runs().first.runs["moons"] if run.seed == seed)
        again = runs().second[first.id]
        assert again.config.student.values()["fraction"] == 0.5
        assert metrics["distilled again"]["accuracy"] == again.test["student"]["accuracy"]
        assert metrics["fine-tuned"]["accuracy"] == again.test["baseline"]["accuracy"]
        # Eight bits move hardly any of 500 test points to the other side.
        assert metrics["int8"]["accuracy"] == pytest.approx(metrics["distilled again"]["accuracy"], abs=0.02)
        assert 0 <= metrics["pruned"]["accuracy"] <= 1
    assert COMPRESSED.outcome(tests) in (0, 1)
    runs().queue(manager.start_sweep, manager.start)  # nothing is left to train
    assert {run.id for run in runs().second.values()} == set(second)
    assert runs().tests() == tests


def test_missing_packages_are_named_only_for_a_lesson_that_needs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kd_core.runs.questions.lesson_runs.PACKAGES", ("no_such_package",))
    assert missing_sentence(LESSON) == ""
    assert "no_such_package" in missing_sentence(COMPRESSED)
    assert "distillery-lab[compress]" in missing_sentence(COMPRESSED)
