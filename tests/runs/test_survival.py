"""Runs that survive damaged files, full disks, locked databases and processes that end anywhere."""

import resource
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from kd_core.base.events import Adjusted, Failed, Finished, Step
from kd_core.config.run import RunConfig
from kd_core.config.sweep import Axis, Sweep
from kd_core.files.checkpoint import STARTED_OVER, USED_PREVIOUS, Checkpoint, CheckpointRotation
from kd_core.files.lock import lock_data_folder
from kd_core.runs.manager import RunManager
from kd_core.store import database
from kd_core.store.store import Store
from kd_core.store.teacher_cache import TeacherCache
from kd_core.training.loop import Trainer
from tools.testing.waiting import wait, wait_for_end

pytestmark = pytest.mark.slow

PACE = 0.05  # seconds per epoch
With = Callable[..., RunConfig]


@pytest.fixture(autouse=True)
def short_timeouts(often: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "TIMEOUT", 0.5)


@pytest.fixture
def config(small_with: With) -> RunConfig:
    return small_with(epochs="20")


def events_of(runs: RunManager, run: str) -> list:
    return [event for _, event in runs.store.events(run)]


@pytest.fixture
def interrupted(tmp_path: Path, config: RunConfig) -> tuple[Path, str]:
    """A folder with an interrupted run and two checkpoints from the students' phase."""
    runs = RunManager(tmp_path / "data")
    run = runs.start(config, pace=PACE)
    wait(lambda: any(isinstance(event, Step) and event.phase == "students" for event in events_of(runs, run)))
    checkpoints = CheckpointRotation(runs.folder / "runs" / run)
    wait(checkpoints.previous.exists)
    count = runs.store.count(run)
    wait(lambda: runs.store.count(run) > count + 10)
    runs.close()
    assert runs.store.run(run).state == "interrupted"
    return tmp_path / "data", run


def resume(folder: Path, run: str, config: RunConfig) -> str:
    """Resume a run, check that it ends as an undisturbed one, and return its notice."""
    runs = RunManager(folder)
    runs.resume_from_checkpoint(run)
    assert wait_for_end(runs, run) == "completed"
    changes = [event for event in events_of(runs, run) if isinstance(event, Adjusted)]
    assert events_of(runs, run) == list(Trainer(config, adjustments=changes))
    notice = runs.status(run).notice
    runs.close()
    return notice


def damage(path: Path) -> None:
    """Change one byte in the middle of the tensors."""
    content = bytearray(path.read_bytes())
    content[-len(content) // 4] ^= 1
    path.write_bytes(bytes(content))


# -- checkpoints -----------------------------------------------------------------------------------------------------


def test_one_changed_byte_of_a_checkpoint_is_detected(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    state = Checkpoint({"w": torch.arange(1000.0), "none": torch.zeros(0), "one": torch.tensor(2)}, {"step": 3})
    state.write(path)
    again = Checkpoint.read(path)
    assert again.values == {"step": 3}
    assert all(torch.equal(again.tensors[name], tensor) for name, tensor in state.tensors.items())
    damage(path)
    with pytest.raises(ValueError, match="damaged"):
        Checkpoint.read(path)


def test_after_a_damaged_checkpoint_the_previous_one_is_used(interrupted: tuple[Path, str], config: RunConfig) -> None:
    folder, run = interrupted
    damage(CheckpointRotation(folder / "runs" / run).newest)
    assert resume(folder, run, config) == USED_PREVIOUS


def test_without_any_usable_checkpoint_a_run_starts_again_with_a_notice(
    interrupted: tuple[Path, str], config: RunConfig
) -> None:
    folder, run = interrupted
    checkpoints = CheckpointRotation(folder / "runs" / run)
    checkpoints.newest.write_bytes(checkpoints.newest.read_bytes()[:100])
    checkpoints.previous.write_bytes(b"")
    assert resume(folder, run, config) == STARTED_OVER


def test_a_checkpoint_of_another_version_is_skipped(interrupted: tuple[Path, str], config: RunConfig) -> None:
    folder, run = interrupted
    checkpoints = CheckpointRotation(folder / "runs" / run)
    state = Checkpoint.read(checkpoints.newest)
    del state.values["live"]
    state.write(checkpoints.newest)
    assert resume(folder, run, config) == USED_PREVIOUS


def test_a_kill_between_the_two_renames_leaves_the_previous_checkpoint(
    interrupted: tuple[Path, str], config: RunConfig
) -> None:
    folder, run = interrupted
    CheckpointRotation(folder / "runs" / run).newest.unlink()
    assert resume(folder, run, config) == ""


def test_a_checkpoint_ahead_of_the_stored_events_is_skipped(interrupted: tuple[Path, str], config: RunConfig) -> None:
    folder, run = interrupted
    Store(folder / "distillery.sqlite").rewind(run, 12)
    assert resume(folder, run, config) == STARTED_OVER


def test_a_damaged_teacher_is_trained_again(tmp_path: Path, config: RunConfig) -> None:
    cache = TeacherCache(tmp_path / "teachers")
    expected = list(Trainer(config, cache=cache))
    (path,) = cache.folder.iterdir()
    damage(path)
    assert list(cache) == []
    assert list(Trainer(config, cache=cache)) == expected
    assert len(cache) == 1


# -- changes by hand -------------------------------------------------------------------------------------------------


def test_a_change_by_hand_survives_two_interruptions_before_it_is_repeated(
    interrupted: tuple[Path, str], config: RunConfig
) -> None:
    folder, run = interrupted
    runs = RunManager(folder)
    runs.resume_from_checkpoint(run)
    runs.set_pace(run, PACE)
    wait(lambda: runs.status(run).done > 0)
    runs.adjust(run, temperature=2)
    wait(lambda: any(isinstance(event, Adjusted) for event in events_of(runs, run)))
    runs.close()
    shutil.rmtree(folder / "runs")  # so that the run starts again
    again = Store(folder / "distillery.sqlite")
    again.rewind(run, 0)  # as a second killed process would
    assert again.count(run) == 0
    assert resume(folder, run, config) == ""
    assert [change.new for _, change in again.events(run, kinds=["adjusted"])] == [2.0]


# -- the disk and the database ---------------------------------------------------------------------------------------


def test_without_space_for_checkpoints_training_continues(
    runs: RunManager, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kd_core.files.checkpoint.os.fsync", full)
    run = runs.start(config, pace=PACE)
    wait(lambda: "The disk is full" in runs.status(run).notice)
    assert runs.status(run).is_active
    monkeypatch.undo()
    assert wait_for_end(runs, run) == "completed"
    assert runs.status(run).notice == ""
    assert events_of(runs, run) == list(Trainer(config))


def test_without_space_for_events_training_waits(runs: RunManager, config: RunConfig) -> None:
    run = runs.start(config, pace=PACE)
    wait(lambda: runs.store.count(run) > 10)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = runs.store.path.with_name("distillery.sqlite-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))  # largest size of a file in bytes
    try:
        wait(lambda: "Training waits" in runs.status(run).notice)
        assert runs.status(run).is_active
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert wait_for_end(runs, run) == "completed"
    assert events_of(runs, run) == list(Trainer(config))


def test_training_waits_for_a_locked_database_and_loses_nothing(runs: RunManager, config: RunConfig) -> None:
    run = runs.start(config, pace=PACE)
    wait(lambda: runs.store.count(run) > 10)
    other = sqlite3.connect(runs.store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    wait(lambda: "Another program holds it" in runs.status(run).notice)
    held = runs.status(run).done
    time.sleep(0.3)
    assert runs.status(run).done <= held + 1
    other.execute("ROLLBACK")
    other.close()
    assert wait_for_end(runs, run) == "completed"
    assert events_of(runs, run) == list(Trainer(config))


def test_a_run_stopped_while_nothing_can_be_written_is_interrupted_and_can_be_resumed(
    runs: RunManager, config: RunConfig
) -> None:
    run = runs.start(config, pace=PACE)
    wait(lambda: runs.store.count(run) > 10)
    other = sqlite3.connect(runs.store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    wait(lambda: runs.status(run).notice)
    runs.stop(run)
    wait(lambda: not runs.status(run).is_active)
    assert runs.status(run).state == "interrupted"
    assert "Another program holds it" in runs.status(run).notice
    with pytest.raises(ValueError, match="Another program holds it: close that program"):
        runs.start(config)
    other.execute("ROLLBACK")
    other.close()
    runs.resume_from_checkpoint(run)
    assert wait_for_end(runs, run) == "completed"
    assert events_of(runs, run) == list(Trainer(config))


def test_a_full_or_read_only_database_is_reported_and_stays_usable(tmp_path: Path, config: RunConfig) -> None:
    store = Store(tmp_path / "a.sqlite")
    db = store._db()
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    store.add("a", config, "training")
    db.execute(f"PRAGMA max_page_count = {pages}")
    events = [(0.0, Adjusted("students", n, "alpha" * 1000, 0.9, 0.1)) for n in range(20)]
    with pytest.raises(ValueError, match="The disk is full: free some space"):
        store.append("a", 1, events)
    db.execute("PRAGMA max_page_count = 100000")
    db.execute("PRAGMA query_only = ON")
    with pytest.raises(ValueError, match="may not be written to"):
        store.append("a", 1, events)
    db.execute("PRAGMA query_only = OFF")
    store.append("a", 1, events)
    assert store.count("a") == 20


def test_an_app_starts_on_a_locked_database_and_names_interrupted_runs(tmp_path: Path, config: RunConfig) -> None:
    Store(tmp_path / "distillery.sqlite").add("a", config, "training")
    other = sqlite3.connect(tmp_path / "distillery.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    runs = RunManager(tmp_path)
    assert runs.status("a").state == "interrupted"
    assert runs.integrity_report.interrupted == ("a",)
    with pytest.raises(ValueError, match="Another program holds it"):
        runs.resume_from_checkpoint("a")
    other.execute("ROLLBACK")
    other.close()
    runs.resume_from_checkpoint("a")
    assert wait_for_end(runs, "a") == "completed"
    runs.close()


def test_a_folder_that_cannot_be_created_is_reported_as_such(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ValueError, match=r"The folder data cannot be written\. "):
        lock_data_folder(tmp_path / "file" / "data")


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 4000])
def test_a_damaged_database_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "distillery.sqlite"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        RunManager(tmp_path)
    assert path.read_bytes() == content
    path.unlink()
    RunManager(tmp_path).close()  # the folder is free again


# -- the process -----------------------------------------------------------------------------------------------------


@pytest.fixture
def finished(runs: RunManager, config: RunConfig) -> tuple[RunManager, str]:
    run = runs.start(config)
    assert wait_for_end(runs, run) == "completed"
    return runs, run


def test_a_run_with_its_last_event_stored_is_completed_whatever_its_row_says(
    finished: tuple[RunManager, str],
) -> None:
    runs, run = finished
    runs.store.set_state(run, "training")
    runs.close()
    again = RunManager(runs.folder)
    assert again.status(run).state == "completed"
    again.close()


def test_running_out_of_memory_ends_a_run_and_keeps_the_last_good_weights(
    runs: RunManager, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.start(config, pace=PACE)
    wait(lambda: any(isinstance(event, Step) and event.phase == "students" for event in events_of(runs, run)))

    def out_of_memory(*_: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(type(config.method), "vectorized_loss", out_of_memory)
    assert wait_for_end(runs, run) == "failed"
    failed, end = events_of(runs, run)[-2:]
    assert isinstance(failed, Failed)
    assert failed.part == "memory"
    assert isinstance(end, Finished)
    assert set(end.test) == {"teacher", "student", "baseline"}
    assert runs.store.snapshots(run)[-1][1] == end  # with the evaluated weights


def test_a_run_without_its_data_set_keeps_its_events_and_can_be_resumed_when_it_is_back(
    interrupted: tuple[Path, str], config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, run = interrupted
    runs = RunManager(folder)
    before = events_of(runs, run)

    def gone(*_: object) -> None:
        raise ValueError("The data set is missing. Download it again.")

    monkeypatch.setattr("kd_core.training.group.load", gone)
    runs.resume_from_checkpoint(run)
    assert wait_for_end(runs, run) == "interrupted"
    assert runs.status(run).notice == "The data set is missing. Download it again."
    assert events_of(runs, run) == before
    runs.close()
    monkeypatch.undo()
    resume(folder, run, config)


# -- sweeps ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def sweep(tmp_path: Path, small_with: With) -> tuple[Path, str, list]:
    """A folder with an interrupted sweep, and the events of an undisturbed one."""
    many = Sweep(small_with(epochs="120"), (Axis("temperature", ("1", "4")),))
    whole = RunManager(tmp_path / "whole")
    name = whole.start_sweep(many)
    assert wait_for_end(whole, name) == "completed"
    expected = [events_of(whole, member.id) for member in whole.store.members(name)]
    whole.close()
    runs = RunManager(tmp_path / "data")
    name = runs.start_sweep(many)
    wait(CheckpointRotation(runs.folder / "sweeps" / name).previous.exists)
    runs.close()
    assert runs.store.sweep(name).state == "interrupted"
    return tmp_path / "data", name, expected


def resume_sweep(folder: Path, name: str, expected: list) -> str:
    runs = RunManager(folder)
    runs.resume_from_checkpoint(name)
    assert wait_for_end(runs, name) == "completed"
    members = runs.store.members(name)
    assert [member.state for member in members] == ["completed"] * len(members)
    assert [events_of(runs, member.id) for member in members] == expected
    notice = runs.status(name).notice
    runs.close()
    return notice


def test_a_sweep_with_a_damaged_checkpoint_resumes_from_the_previous_one(sweep: tuple[Path, str, list]) -> None:
    folder, name, expected = sweep
    damage(CheckpointRotation(folder / "sweeps" / name).newest)
    assert resume_sweep(folder, name, expected) == USED_PREVIOUS


def test_a_sweep_without_a_usable_checkpoint_starts_again_even_if_some_runs_are_complete(
    sweep: tuple[Path, str, list],
) -> None:
    folder, name, expected = sweep
    store = Store(folder / "distillery.sqlite")
    first = store.members(name)[0].id
    store.rewind(first, 0)
    store.append(first, 1, [(0.0, event) for event in expected[0]])
    store.set_state(first, "completed")  # as if the process had ended before the others
    for file in (folder / "sweeps" / name).iterdir():
        file.write_bytes(b"")
    assert resume_sweep(folder, name, expected) == STARTED_OVER
