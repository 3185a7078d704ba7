"""Runs in the background, paused, changed, stopped and resumed."""

import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kd_core.base.events import Adjusted, Finished, Step
from kd_core.config.run import RunConfig
from kd_core.runs.manager import RunManager
from kd_core.training.loop import Trainer
from tools.testing.waiting import wait, wait_for_end

pytestmark = pytest.mark.slow

With = Callable[..., RunConfig]
SLOW = 0.2  # seconds per epoch, long enough to send a command in between


def steps(runs: RunManager, run: str) -> int:
    return len(runs.store.events(run, kinds=["step"]))


def events_of(runs: RunManager, run: str) -> list:
    return [event for _, event in runs.store.events(run)]


def test_a_run_in_the_background_has_the_events_of_the_trainer(runs: RunManager, small: RunConfig) -> None:
    run = runs.start(small)
    assert wait_for_end(runs, run) == "completed"
    assert events_of(runs, run) == list(Trainer(small))
    assert runs.status(run).seconds > 0


def test_readers_and_other_runs_change_no_number(runs: RunManager, small: RunConfig, small_with: With) -> None:
    expected = list(Trainer(small))
    run, other = runs.start(small), runs.start(small_with(seed="5"))
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            runs.status(run)
            runs.store.events(run, after=3)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    wait_for_end(runs, other)
    stop.set()
    for reader in readers:
        reader.join()
    assert events_of(runs, run) == expected


def test_one_run_at_a_time_and_the_others_wait_in_order(runs: RunManager, small: RunConfig) -> None:
    first, second, third = (runs.start(small, pace=SLOW) for _ in range(3))
    wait(lambda: runs.status(first).done > 0)
    assert [runs.status(run).state for run in (first, second, third)] == ["training", "queued", "queued"]
    assert [runs.status(run).ahead for run in (first, second, third)] == [0, 1, 2]
    runs.stop(second)  # before its turn: it ends when it comes
    for run in (first, third):
        runs.set_pace(run, 0)
    assert wait_for_end(runs, third) == "completed"
    assert runs.status(second).state == "stopped"


def test_pause_holds_a_run_step_takes_one_and_resume_continues(runs: RunManager, small: RunConfig) -> None:
    run = runs.start(small, pace=SLOW)
    wait(lambda: runs.status(run).done > 0)
    runs.pause(run)
    time.sleep(0.3)
    held = steps(runs, run)
    assert runs.status(run).state == "paused"
    time.sleep(0.3)
    assert steps(runs, run) == held
    runs.step(run)
    wait(lambda: steps(runs, run) == held + 1)
    runs.set_pace(run, 0)
    runs.resume(run)
    assert wait_for_end(runs, run) == "completed"
    assert events_of(runs, run) == list(Trainer(small))


def test_a_stopped_run_is_kept_and_can_be_resumed(runs: RunManager, small: RunConfig) -> None:
    run = runs.start(small, pace=SLOW)
    wait(lambda: any(step.phase == "students" for step in events_of(runs, run) if isinstance(step, Step)))
    runs.stop(run)
    assert wait_for_end(runs, run) == "stopped"
    assert isinstance(events_of(runs, run)[-1], Finished)
    assert set(runs.store.run(run).test) == {"teacher", "student", "baseline"}
    runs.resume_from_checkpoint(run)
    assert wait_for_end(runs, run) == "completed"
    assert events_of(runs, run) == list(Trainer(small))


def test_a_change_by_hand_is_recorded_and_replayed(runs: RunManager, small: RunConfig) -> None:
    run = runs.start(small, pace=SLOW)
    wait(lambda: runs.status(run).done > 0)
    runs.adjust(run, temperature=2, alpha=0.5)
    runs.set_pace(run, 0)
    wait_for_end(runs, run)
    changes = [event for event in events_of(runs, run) if isinstance(event, Adjusted)]
    assert {(change.option, change.new) for change in changes} == {("temperature", 2.0), ("alpha", 0.5)}
    assert events_of(runs, run) == list(Trainer(small, adjustments=changes))


def test_a_change_out_of_range_of_an_unknown_option_or_after_the_end_is_refused(
    runs: RunManager, small: RunConfig
) -> None:
    run = runs.start(small, pace=SLOW)
    with pytest.raises(ValueError, match=r"alpha = 2: choose a number from 0 to 1\."):
        runs.adjust(run, alpha=2)
    with pytest.raises(ValueError, match="epochs: cannot be changed while a run trains; temperature, alpha"):
        runs.adjust(run, epochs=3)
    runs.stop(run)
    wait_for_end(runs, run)
    with pytest.raises(ValueError, match="This run is over"):
        runs.adjust(run, alpha=0.5)
    runs.pause(run)  # has no effect
    assert runs.status("nothing") is None


def test_a_run_that_cannot_be_trained_fails_alone(
    runs: RunManager, small: RunConfig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(type(small.method), "vectorized_loss", lambda *_: 1 / 0)
        run = runs.start(small)
        assert wait_for_end(runs, run) == "failed"
    assert "ZeroDivisionError" in caplog.text
    assert wait_for_end(runs, runs.start(small)) == "completed"


def test_closing_interrupts_with_a_checkpoint_and_the_next_process_resumes(tmp_path: Path, small: RunConfig) -> None:
    runs = RunManager(tmp_path)
    run, queued = runs.start(small, pace=SLOW), runs.start(small)
    wait(lambda: any(isinstance(event, Step) and event.phase == "students" for event in events_of(runs, run)))
    runs.close()
    again = RunManager(tmp_path)
    assert again.status(run).state == again.status(queued).state == "interrupted"
    for interrupted in (run, queued):
        again.resume_from_checkpoint(interrupted)
        assert wait_for_end(again, interrupted) == "completed"
        assert events_of(again, interrupted) == list(Trainer(small))
    again.close()


SCRIPT = """
import sys, time
from pathlib import Path
from kd_core.config.run import from_flat
from kd_core.runs.manager import get_manager
shared = get_manager()
run = shared.start(from_flat({"dataset": "moons", "epochs": "500"}), pace=0.1)
while not shared.store.count(run) > 20:
    time.sleep(0.05)
print(run, flush=True)
sys.exit(0)
"""


def test_the_end_of_the_process_in_the_middle_of_a_run_is_clean(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={"DISTILLERY_DATA": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stderr == ""
    runs = RunManager(tmp_path)
    assert runs.status(ended.stdout.strip()).state == "interrupted"
    runs.close()


def test_a_change_by_hand_after_the_last_checkpoint_is_repeated(tmp_path: Path, small: RunConfig) -> None:
    runs = RunManager(tmp_path / "first")
    run = runs.start(small, pace=SLOW)
    wait(lambda: any(isinstance(event, Step) and event.phase == "students" for event in events_of(runs, run)))
    runs.adjust(run, temperature=2)
    wait(lambda: any(isinstance(event, Adjusted) for event in events_of(runs, run)))
    runs.pause(run)
    time.sleep(0.3)
    shutil.copytree(tmp_path / "first", tmp_path / "killed")  # the folder as a power cut leaves it: no checkpoint yet
    runs.close()
    again = RunManager(tmp_path / "killed")
    again.resume_from_checkpoint(run)
    assert wait_for_end(again, run) == "completed"
    changes = [event for event in events_of(again, run) if isinstance(event, Adjusted)]
    assert [change.new for change in changes] == [2.0]
    assert events_of(again, run) == list(Trainer(small, adjustments=changes))
    again.close()


def test_a_second_process_on_the_same_folder_is_refused(tmp_path: Path, small: RunConfig) -> None:
    runs = RunManager(tmp_path)
    run = runs.start(small, pace=SLOW)
    with pytest.raises(
        ValueError, match=r"Another Distillery is using .* It is a program, process \d+, since .* DISTILLERY_DATA"
    ):
        RunManager(tmp_path)
    assert runs.status(run).is_active
    runs.close()
    RunManager(tmp_path).close()


def test_an_unreadable_run_does_not_prevent_other_runs(tmp_path: Path, small: RunConfig) -> None:
    runs = RunManager(tmp_path)
    runs.store.add("old", small, "training")
    with sqlite3.connect(tmp_path / "distillery.sqlite") as db:
        db.execute("UPDATE runs SET config = replace(config, 'soft_targets', 'forgotten')")
    db.close()
    runs.close()
    again = RunManager(tmp_path)
    assert again.status("old").state == "interrupted"
    assert not again.store.run("old").is_readable
    assert wait_for_end(again, again.start(small)) == "completed"
    again.close()
