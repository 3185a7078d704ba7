"""What is found in a data folder at the start."""

import logging
from pathlib import Path

import pytest

from kd_core.config.run import RunConfig
from kd_core.config.sweep import Axis, Sweep
from kd_core.files.checkpoint import Checkpoint
from kd_core.store.integrity import check_integrity
from kd_core.store.store import Store


@pytest.fixture
def folder(tmp_path: Path, small: RunConfig) -> Path:
    store = Store(tmp_path / "distillery.sqlite")
    for state in ("completed", "stopped", "interrupted", "failed"):
        for place in ("here", "gone"):
            store.add(f"{state} {place}", small, state)
    store.add_sweep("sweep", Sweep(small, (Axis("alpha", ("0.1",)),)), ["member"], "completed")
    names = ["runs/completed here", "runs/stopped here", "runs/interrupted here", "runs/stray", "sweeps/sweep"]
    for name in names:
        (tmp_path / name).mkdir(parents=True)
        Checkpoint(values={"events": 0}).write(tmp_path / name / "checkpoint.safetensors")
    return tmp_path


def test_rows_without_files_and_files_without_rows_are_found_and_named(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        found = check_integrity(folder, Store(folder / "distillery.sqlite"))
    assert set(found.interrupted) == {"interrupted here", "interrupted gone"}
    assert (found.stopped_without_checkpoint, found.completed_without_checkpoint, found.orphans) == (
        ("stopped gone",),
        ("completed gone",),
        ("stray",),
    )
    assert "files of run stray, which no stored run knows of" in caplog.text
    assert len(found.sentences) == 3
    assert (folder / "runs" / "stray" / "checkpoint.safetensors").exists()


def test_a_folder_as_it_should_be_says_nothing(tmp_path: Path) -> None:
    assert check_integrity(tmp_path, Store(tmp_path / "distillery.sqlite")).sentences == []


def test_what_was_being_written_when_the_process_ended_is_removed_and_nothing_of_others(folder: Path) -> None:
    mine = [folder / "runs" / "stopped here" / "checkpoint.1.part", folder / "teachers" / "a.2.part"]
    other = folder / "data sets" / "half fetched.part"
    for path in (*mine, other):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    check_integrity(folder, Store(folder / "distillery.sqlite"))
    assert [path.exists() for path in (*mine, other)] == [False, False, True]
