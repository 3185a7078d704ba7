"""Runs on a disk that is really full, or may only be read: a small file system of its own."""

import contextlib
import gc
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kd_core.config import RunConfig
from kd_core.generations import Generations
from kd_core.runs import Runs
from kd_core.store import Store
from kd_core.training import Training
from tests.waiting import wait, wait_for_end

PACE = 0.05  # seconds per epoch
SIZE = 8  # megabytes


pytestmark = pytest.mark.usefixtures("often")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """An empty disk of :data:`SIZE` megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    if mount is None:
        pytest.skip("There is no mount command here, so no small disk could be made to be filled.")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={SIZE}m", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"No small disk may be mounted here, so none was filled: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def config(small_with: Callable[..., RunConfig]) -> RunConfig:
    return small_with(epochs="20")


def fill(disk: Path) -> Path:
    """A file that takes all that is left."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    assert shutil.disk_usage(disk).free < 4096
    return ballast


def ended_when_full(disk: Path, config: RunConfig) -> str:
    """A run in disk/data, whose process ended when there was no room for it any more."""
    runs = Runs(disk / "data")
    run = runs.start(config, pace=PACE)
    wait(Generations(runs.folder / "runs" / run).previous.exists)
    fill(disk)
    wait(lambda: runs.status(run).notice)
    runs.close()
    return run


def said(runs: Runs, run: str) -> list:
    return [event for _, event in runs.store.events(run)]


def test_a_disk_that_fills_up_holds_the_training_until_there_is_room(disk: Path, config: RunConfig) -> None:
    runs = Runs(disk / "data")
    run = runs.start(config, pace=PACE)
    wait(lambda: runs.store.count(run) > 10)
    ballast = fill(disk)
    wait(lambda: "The disk is full" in runs.status(run).notice)
    assert runs.status(run).is_active
    read = said(runs, run)  # readers are served
    ballast.unlink()
    assert wait_for_end(runs, run) == "completed"
    assert runs.status(run).notice == ""
    assert said(runs, run) == list(Training(config))
    assert said(runs, run)[: len(read)] == read
    runs.close()


def test_an_app_that_ended_on_a_full_disk_starts_on_it_and_names_what_was_interrupted(
    disk: Path, config: RunConfig
) -> None:
    run = ended_when_full(disk, config)
    gc.collect()  # all that it held open, as the end of its process would
    again = Runs(disk / "data")
    assert again.found.interrupted == (run,)
    assert again.status(run).state == "interrupted"
    with pytest.raises(ValueError, match="free some space"):
        again.proceed(run)
    (disk / "ballast").unlink()
    again.proceed(run)
    assert wait_for_end(again, run) == "completed"
    assert said(again, run) == list(Training(config))
    again.close()


def test_a_disk_that_was_filled_while_the_app_was_closed_is_a_sentence_and_costs_nothing(
    disk: Path, config: RunConfig
) -> None:
    Store(disk / "data" / "distillery.sqlite").add("a", config, "training")
    gc.collect()
    ballast = fill(disk)
    with pytest.raises(ValueError, match="free some space"):
        Runs(disk / "data")
    ballast.unlink()
    runs = Runs(disk / "data")
    assert runs.found.interrupted == ("a",)
    runs.close()


def test_a_process_that_is_cut_off_on_a_full_disk_leaves_a_run_that_goes_on(disk: Path, config: RunConfig) -> None:
    runs = Runs(disk / "data")
    run = runs.start(config, pace=PACE)
    wait(Generations(runs.folder / "runs" / run).previous.exists)
    ballast = fill(disk)
    wait(lambda: runs.status(run).notice)
    shutil.copytree(disk / "data", disk.parent / "left")  # what a kill would leave at this moment
    ballast.unlink()
    runs.close()
    again = Runs(disk.parent / "left")
    assert again.found.interrupted == (run,)
    again.proceed(run)
    assert wait_for_end(again, run) == "completed"
    assert said(again, run) == list(Training(config))
    again.close()


def test_on_a_disk_that_may_only_be_read_nothing_starts_and_nothing_is_lost(disk: Path, config: RunConfig) -> None:
    Store(disk / "data" / "distillery.sqlite").add("a", config, "training")
    gc.collect()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(ValueError, match="may not be written to: give Distillery the right to"):
        Runs(disk / "data")
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    runs = Runs(disk / "data")
    assert runs.found.interrupted == ("a",)
    runs.close()
