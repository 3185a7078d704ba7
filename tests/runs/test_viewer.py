"""A second process on a data folder, which watches the runs of the first."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kd_core.config.run import RunConfig
from kd_core.config.sweep import Sweep
from kd_core.runs import manager
from kd_core.runs.manager import COMPLETED, TRAINING, RunManager
from kd_core.runs.viewer import RunViewer
from tools.testing.waiting import wait, wait_for_end

SLOW = 0.2  # seconds per epoch
ONE_RUN = ("pause", "resume", "step", "stop", "resume_from_checkpoint")


def test_a_viewer_sees_the_progress_of_a_run_and_its_end(
    runs: RunManager, small_with: Callable[..., RunConfig]
) -> None:
    viewer = RunViewer(runs.folder)
    run = runs.start(small_with(epochs="30"), pace=SLOW)
    wait(lambda: viewer.status(run).done > 5)
    status = viewer.status(run)
    assert (status.state, status.total) == (TRAINING, runs.status(run).total)
    wait(lambda: viewer.status(run).done > status.done)
    runs.set_pace(run, 0)
    assert wait_for_end(runs, run) == COMPLETED
    wait(lambda: viewer.status(run).state == COMPLETED)
    assert viewer.status(run).seconds == runs.status(run).seconds > 0


def test_a_viewer_counts_the_runs_of_a_sweep(runs: RunManager, small_with: Callable[..., RunConfig]) -> None:
    viewer = RunViewer(runs.folder)
    sweep = runs.start_sweep(Sweep.over_seeds(small_with(epochs="300"), range(3)))
    wait(lambda: viewer.status(sweep).total)
    assert wait_for_end(runs, sweep) == COMPLETED
    wait(lambda: viewer.status(sweep).state == COMPLETED)
    assert viewer.status("nothing") is None


def test_a_viewer_changes_nothing_and_says_who_trains(runs: RunManager, small: RunConfig) -> None:
    viewer = RunViewer(runs.folder)
    run = runs.start(small, pace=SLOW)
    actions = [lambda: viewer.start(small), lambda: viewer.start_sweep(Sweep.over_seeds(small, range(2)))]
    actions += [lambda name=name: getattr(viewer, name)(run) for name in ONE_RUN]
    actions += [lambda: viewer.set_pace(run, 0), lambda: viewer.adjust(run, temperature=2.0)]
    for action in actions:
        with pytest.raises(ValueError, match=rf"^View only: a program, process {os.getpid()}, since \d\d:\d\d trains"):
            action()
    viewer.close()
    assert runs.status(run).is_active
    assert len(runs.store.runs()) == 1


def test_an_app_watches_until_the_other_process_is_closed_and_then_takes_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: RunConfig
) -> None:
    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path))
    monkeypatch.setattr(manager, "_shared", None)
    monkeypatch.setattr(manager, "TAKE_OVER_SECONDS", 0.0)
    first = RunManager(tmp_path)
    run = first.start(small, pace=SLOW)
    watching = manager.get_manager()
    assert not isinstance(watching, RunManager)
    assert watching is manager.get_manager()
    assert watching.status(run).is_active
    first.close()
    managing = manager.get_manager()
    assert isinstance(managing, RunManager)
    assert not managing.refusal
    managing.resume_from_checkpoint(run)
    assert wait_for_end(managing, run) == COMPLETED
    managing.close()
