"""Runs survive what happens around them: damaged files, full disks, locked databases, processes that end anywhere."""

import resource
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from kd_core import database
from kd_core.checkpoint import Checkpoint
from kd_core.claim import claim
from kd_core.config import RunConfig
from kd_core.events import Adjusted, Failed, Finished, Step
from kd_core.generations import AFRESH, BEFORE, Generations
from kd_core.kept import KeptPhases
from kd_core.runs import Runs
from kd_core.store import Store
from kd_core.sweep import Axis, Sweep
from kd_core.training import Training
from tests.waiting import wait, wait_for_end

PACE = 0.05  # seconds per epoch
With = Callable[..., RunConfig]


@pytest.fixture(autouse=True)
def impatient(often: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PATIENCE", 0.5)


@pytest.fixture
def config(small_with: With) -> RunConfig:
    return small_with(epochs="20")


def said(runs: Runs, run: str) -> list:
    return [event for _, event in runs.store.events(run)]


@pytest.fixture
def halved(tmp_path: Path, config: RunConfig) -> tuple[Path, str]:
    """A folder with an interrupted run, both of whose checkpoints are in the middle of the students."""
    runs = Runs(tmp_path / "data")
    run = runs.start(config, pace=PACE)
    wait(lambda: any(isinstance(event, Step) and event.phase == "students" for event in said(runs, run)))
    written = Generations(runs.folder / "runs" / run)
    wait(written.previous.exists)
    at = runs.store.count(run)
    wait(lambda: runs.store.count(run) > at + 10)
    runs.close()
    assert runs.store.run(run).state == "interrupted"
    return tmp_path / "data", run


def goes_on(folder: Path, run: str, config: RunConfig) -> str:
    """It ends as if it had never been interrupted; what the reader is told."""
    runs = Runs(folder)
    runs.proceed(run)
    assert wait_for_end(runs, run) == "completed"
    changes = [event for event in said(runs, run) if isinstance(event, Adjusted)]
    assert said(runs, run) == list(Training(config, adjustments=changes))
    notice = runs.status(run).notice
    runs.close()
    return notice


def damage(path: Path) -> None:
    """One byte in the middle of the tensors."""
    content = bytearray(path.read_bytes())
    content[-len(content) // 4] ^= 1
    path.write_bytes(bytes(content))


# -- checkpoints -----------------------------------------------------------------------------------------------------


def test_one_changed_byte_of_a_checkpoint_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    state = Checkpoint({"w": torch.arange(1000.0), "none": torch.zeros(0), "one": torch.tensor(2)}, {"step": 3})
    state.write(path)
    again = Checkpoint.read(path)
    assert again.values == {"step": 3}
    assert all(torch.equal(again.tensors[name], tensor) for name, tensor in state.tensors.items())
    damage(path)
    with pytest.raises(ValueError, match="damaged"):
        Checkpoint.read(path)


def test_a_damaged_checkpoint_costs_the_way_from_the_one_before_it(halved: tuple[Path, str], config: RunConfig) -> None:
    folder, run = halved
    damage(Generations(folder / "runs" / run).newest)
    assert goes_on(folder, run, config) == BEFORE


def test_without_any_usable_checkpoint_a_run_begins_again_and_says_so(
    halved: tuple[Path, str], config: RunConfig
) -> None:
    folder, run = halved
    written = Generations(folder / "runs" / run)
    written.newest.write_bytes(written.newest.read_bytes()[:100])
    written.previous.write_bytes(b"")
    assert goes_on(folder, run, config) == AFRESH


def test_a_checkpoint_of_another_version_that_does_not_fit_is_passed_over(
    halved: tuple[Path, str], config: RunConfig
) -> None:
    folder, run = halved
    written = Generations(folder / "runs" / run)
    state = Checkpoint.read(written.newest)
    del state.values["live"]
    state.write(written.newest)
    assert goes_on(folder, run, config) == BEFORE


def test_a_kill_between_the_two_renames_leaves_the_one_before(halved: tuple[Path, str], config: RunConfig) -> None:
    folder, run = halved
    Generations(folder / "runs" / run).newest.unlink()
    assert goes_on(folder, run, config) == ""


def test_a_checkpoint_ahead_of_the_events_that_a_power_cut_left_is_passed_over(
    halved: tuple[Path, str], config: RunConfig
) -> None:
    folder, run = halved
    Store(folder / "distillery.sqlite").rewind(run, 12)
    assert goes_on(folder, run, config) == AFRESH


def test_a_damaged_teacher_is_trained_again(tmp_path: Path, config: RunConfig) -> None:
    kept = KeptPhases(tmp_path / "teachers")
    expected = list(Training(config, kept=kept))
    (path,) = kept.folder.iterdir()
    damage(path)
    assert list(kept) == []
    assert list(Training(config, kept=kept)) == expected
    assert len(kept) == 1


# -- changes by hand -------------------------------------------------------------------------------------------------


def test_a_change_by_hand_outlives_two_interruptions_before_it_is_made_again(
    halved: tuple[Path, str], config: RunConfig
) -> None:
    folder, run = halved
    runs = Runs(folder)
    runs.proceed(run)
    runs.set_pace(run, PACE)
    wait(lambda: runs.status(run).done > 0)
    runs.adjust(run, temperature=2)
    wait(lambda: any(isinstance(event, Adjusted) for event in said(runs, run)))
    runs.close()
    shutil.rmtree(folder / "runs")  # so that all of it is forgotten, and said again
    again = Store(folder / "distillery.sqlite")
    again.rewind(run, 0)  # as far as the next process came before it was killed, too
    assert again.count(run) == 0
    assert goes_on(folder, run, config) == ""
    assert [change.new for _, change in again.events(run, kinds=["adjusted"])] == [2.0]


# -- the disk and the database ---------------------------------------------------------------------------------------


def test_a_full_disk_keeps_no_checkpoint_and_ends_no_run(
    runs: Runs, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kd_core.checkpoint.os.fsync", full)
    run = runs.start(config, pace=PACE)
    wait(lambda: "The disk is full" in runs.status(run).notice)
    assert runs.status(run).is_active
    monkeypatch.undo()
    assert wait_for_end(runs, run) == "completed"
    assert runs.status(run).notice == ""
    assert said(runs, run) == list(Training(config))


def test_a_disk_that_takes_no_more_holds_the_training_until_there_is_room(runs: Runs, config: RunConfig) -> None:
    run = runs.start(config, pace=PACE)
    wait(lambda: runs.store.count(run) > 10)
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    full = runs.store.path.with_name("distillery.sqlite-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (full, usual[1]))  # bytes of any file: the system itself refuses more
    try:
        wait(lambda: "Training waits" in runs.status(run).notice)
        assert runs.status(run).is_active
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert wait_for_end(runs, run) == "completed"
    assert said(runs, run) == list(Training(config))


def test_training_waits_for_a_locked_database_and_loses_nothing(runs: Runs, config: RunConfig) -> None:
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
    assert said(runs, run) == list(Training(config))


def test_a_run_stopped_while_nothing_can_be_written_is_interrupted_and_goes_on_later(
    runs: Runs, config: RunConfig
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
    runs.proceed(run)
    assert wait_for_end(runs, run) == "completed"
    assert said(runs, run) == list(Training(config))


def test_a_database_that_sqlite_calls_full_or_read_only_is_a_sentence_and_stays_usable(
    tmp_path: Path, config: RunConfig
) -> None:
    own = Store(tmp_path / "a.sqlite")
    db = own._db()
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    own.add("a", config, "training")
    db.execute(f"PRAGMA max_page_count = {pages}")
    events = [(0.0, Adjusted("students", n, "alpha" * 1000, 0.9, 0.1)) for n in range(20)]
    with pytest.raises(ValueError, match="The disk is full: free some space"):
        own.append("a", 1, events)
    db.execute("PRAGMA max_page_count = 100000")
    db.execute("PRAGMA query_only = ON")
    with pytest.raises(ValueError, match="may not be written to"):
        own.append("a", 1, events)
    db.execute("PRAGMA query_only = OFF")
    own.append("a", 1, events)
    assert own.count("a") == 20


def test_the_app_starts_on_a_folder_that_takes_nothing_and_names_what_was_interrupted(
    tmp_path: Path, config: RunConfig
) -> None:
    Store(tmp_path / "distillery.sqlite").add("a", config, "training")
    other = sqlite3.connect(tmp_path / "distillery.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    runs = Runs(tmp_path)
    assert runs.status("a").state == "interrupted"
    assert runs.found.interrupted == ("a",)
    with pytest.raises(ValueError, match="Another program holds it"):
        runs.proceed("a")
    other.execute("ROLLBACK")
    other.close()
    runs.proceed("a")
    assert wait_for_end(runs, "a") == "completed"
    runs.close()


def test_a_folder_that_cannot_be_made_is_a_sentence_and_not_another_distillery(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ValueError, match=r"The folder data cannot be written\. "):
        claim(tmp_path / "file" / "data")


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 4000])
def test_a_damaged_database_is_refused_with_a_sentence_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "distillery.sqlite"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        Runs(tmp_path)
    assert path.read_bytes() == content
    path.unlink()
    Runs(tmp_path).close()  # the folder is nobody's any more


# -- the process -----------------------------------------------------------------------------------------------------


@pytest.fixture
def finished(runs: Runs, config: RunConfig) -> tuple[Runs, str]:
    run = runs.start(config)
    assert wait_for_end(runs, run) == "completed"
    return runs, run


def test_a_run_that_had_said_its_end_is_completed_even_if_its_row_never_learned_it(finished: tuple[Runs, str]) -> None:
    runs, run = finished
    runs.store.set_state(run, "training")
    runs.close()
    again = Runs(runs.folder)
    assert again.status(run).state == "completed"
    again.close()


def test_running_out_of_memory_ends_a_run_with_a_sentence_and_keeps_the_last_good_weights(
    runs: Runs, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.start(config, pace=PACE)
    wait(lambda: any(isinstance(event, Step) and event.phase == "students" for event in said(runs, run)))

    def none_left(*_: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(type(config.method), "closed_form", none_left)
    assert wait_for_end(runs, run) == "failed"
    failed, end = said(runs, run)[-2:]
    assert isinstance(failed, Failed)
    assert failed.part == "memory"
    assert isinstance(end, Finished)
    assert set(end.test) == {"teacher", "student", "baseline"}
    assert runs.store.snapshots(run)[-1][1] == end  # with the weights that were judged


def test_a_run_whose_data_have_gone_keeps_what_it_said_and_goes_on_when_they_are_back(
    halved: tuple[Path, str], config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, run = halved
    runs = Runs(folder)
    before = said(runs, run)

    def gone(*_: object) -> None:
        raise ValueError("The data have gone. Fetch them again.")

    monkeypatch.setattr("kd_core.training.load", gone)
    runs.proceed(run)
    assert wait_for_end(runs, run) == "interrupted"
    assert runs.status(run).notice == "The data have gone. Fetch them again."
    assert said(runs, run) == before
    runs.close()
    monkeypatch.undo()
    goes_on(folder, run, config)


# -- sweeps ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def sweep(tmp_path: Path, small_with: With) -> tuple[Path, str, list]:
    """A folder with a sweep that was interrupted, and how its runs end otherwise."""
    many = Sweep(small_with(epochs="120"), (Axis("temperature", ("1", "4")),))
    whole = Runs(tmp_path / "whole")
    name = whole.start_sweep(many)
    assert wait_for_end(whole, name) == "completed"
    expected = [said(whole, member.id) for member in whole.store.members(name)]
    whole.close()
    runs = Runs(tmp_path / "data")
    name = runs.start_sweep(many)
    wait(Generations(runs.folder / "sweeps" / name).previous.exists)
    runs.close()
    assert runs.store.sweep(name).state == "interrupted"
    return tmp_path / "data", name, expected


def sweep_goes_on(folder: Path, name: str, expected: list) -> str:
    runs = Runs(folder)
    runs.proceed(name)
    assert wait_for_end(runs, name) == "completed"
    members = runs.store.members(name)
    assert [member.state for member in members] == ["completed"] * len(members)
    assert [said(runs, member.id) for member in members] == expected
    notice = runs.status(name).notice
    runs.close()
    return notice


def test_a_sweep_with_a_damaged_checkpoint_goes_on_from_the_one_before(sweep: tuple[Path, str, list]) -> None:
    folder, name, expected = sweep
    damage(Generations(folder / "sweeps" / name).newest)
    assert sweep_goes_on(folder, name, expected) == BEFORE


def test_a_sweep_without_a_usable_checkpoint_begins_again_even_if_some_runs_are_known_to_be_complete(
    sweep: tuple[Path, str, list],
) -> None:
    folder, name, expected = sweep
    store = Store(folder / "distillery.sqlite")
    first = store.members(name)[0].id
    store.rewind(first, 0)
    store.append(first, 1, [(0.0, event) for event in expected[0]])
    store.set_state(first, "completed")  # the process ended before it could say so of the others
    for file in (folder / "sweeps" / name).iterdir():
        file.write_bytes(b"")
    assert sweep_goes_on(folder, name, expected) == AFRESH
