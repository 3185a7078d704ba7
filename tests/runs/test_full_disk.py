"""Runs on a small file system that is full or read-only."""

import contextlib
import gc
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kd_core.config.run import RunConfig
from kd_core.files.checkpoint import CheckpointRotation
from kd_core.runs.manager import RunManager
from kd_core.store.store import Store
from kd_core.training.loop import Trainer
from tools.testing.waiting import wait, wait_for_end

PACE = 0.05  # seconds per epoch
SIZE = 8  # megabytes


pytestmark = pytest.mark.usefixtures("often")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """An empty disk of :data:`SIZE` megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None:
        pytest.skip("No small disk can be filled here, since there is no mount command.")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={SIZE}m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"No small disk can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def config(small_with: Callable[..., RunConfig]) -> RunConfig:
    return small_with(epochs="20")


def fill(disk: Path) -> Path:
    """Write a file that takes all free space, and return it."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    assert shutil.disk_usage(disk).free < 4096
    return ballast


def interrupted_on_full(disk: Path, config: RunConfig) -> str:
    """Return a run in disk/data whose process ended when the disk was full."""
    runs = RunManager(disk / "data")
    run = runs.start(config, pace=PACE)
    wait(CheckpointRotation(runs.folder / "runs" / run).previous.exists)
    fill(disk)
    wait(lambda: runs.status(run).notice)
    runs.close()
    return run


def events_of(runs: RunManager, run: str) -> list:
    return [event for _, event in runs.store.events(run)]


@pytest.mark.slow
def test_a_full_disk_holds_the_training_until_there_is_space(disk: Path, config: RunConfig) -> None:
    runs = RunManager(disk / "data")
    run = runs.start(config, pace=PACE)
    wait(lambda: runs.store.count(run) > 10)
    ballast = fill(disk)
    wait(lambda: "The disk is full" in runs.status(run).notice)
    assert runs.status(run).is_active
    read = events_of(runs, run)  # reading still works
    ballast.unlink()
    assert wait_for_end(runs, run) == "completed"
    assert runs.status(run).notice == ""
    assert events_of(runs, run) == list(Trainer(config))
    assert events_of(runs, run)[: len(read)] == read
    runs.close()


@pytest.mark.slow
def test_an_app_starts_on_a_full_disk_and_names_interrupted_runs(disk: Path, config: RunConfig) -> None:
    run = interrupted_on_full(disk, config)
    gc.collect()  # closes all files, as the end of a process would
    again = RunManager(disk / "data")
    assert again.integrity_report.interrupted == (run,)
    assert again.status(run).state == "interrupted"
    with pytest.raises(ValueError, match="free some space"):
        again.resume_from_checkpoint(run)
    (disk / "ballast").unlink()
    again.resume_from_checkpoint(run)
    assert wait_for_end(again, run) == "completed"
    assert events_of(again, run) == list(Trainer(config))
    again.close()


def test_a_disk_filled_while_the_app_was_closed_is_reported_and_loses_nothing(disk: Path, config: RunConfig) -> None:
    Store(disk / "data" / "distillery.sqlite").add("a", config, "training")
    gc.collect()
    ballast = fill(disk)
    with pytest.raises(ValueError, match="free some space"):
        RunManager(disk / "data")
    ballast.unlink()
    runs = RunManager(disk / "data")
    assert runs.integrity_report.interrupted == ("a",)
    runs.close()


@pytest.mark.slow
def test_a_process_killed_on_a_full_disk_leaves_a_run_that_can_be_resumed(disk: Path, config: RunConfig) -> None:
    runs = RunManager(disk / "data")
    run = runs.start(config, pace=PACE)
    wait(CheckpointRotation(runs.folder / "runs" / run).previous.exists)
    ballast = fill(disk)
    wait(lambda: runs.status(run).notice)
    shutil.copytree(disk / "data", disk.parent / "left")  # what a kill would leave at this moment
    ballast.unlink()
    runs.close()
    again = RunManager(disk.parent / "left")
    assert again.integrity_report.interrupted == (run,)
    again.resume_from_checkpoint(run)
    assert wait_for_end(again, run) == "completed"
    assert events_of(again, run) == list(Trainer(config))
    again.close()


def test_on_a_read_only_disk_nothing_starts_and_nothing_is_lost(disk: Path, config: RunConfig) -> None:
    Store(disk / "data" / "distillery.sqlite").add("a", config, "training")
    gc.collect()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(ValueError, match="may not be written to: give Distillery the right to"):
        RunManager(disk / "data")
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    runs = RunManager(disk / "data")
    assert runs.integrity_report.interrupted == ("a",)
    runs.close()
