"""Tests of the start-up check of a data folder."""

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
    folders = ["runs/completed here", "runs/stopped here", "runs/interrupted here", "runs/stray", "sweeps/sweep"]
    for name in folders:
        (tmp_path / name).mkdir(parents=True)
        Checkpoint(values={"events": 0}).write(tmp_path / name / "checkpoint.safetensors")
    return tmp_path


def test_rows_without_files_and_files_without_rows_are_reported(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        report = check_integrity(folder, Store(folder / "distillery.sqlite"))
    assert set(report.interrupted) == {"interrupted here", "interrupted gone"}
    assert (report.stopped_without_checkpoint, report.completed_without_checkpoint, report.orphans) == (
        ("stopped gone",),
        ("completed gone",),
        ("stray",),
    )
    assert "files of run stray, which no stored run knows of" in caplog.text
    assert len(report.sentences) == 3
    assert (folder / "runs" / "stray" / "checkpoint.safetensors").exists()


def test_an_intact_folder_gives_no_warning(tmp_path: Path) -> None:
    assert check_integrity(tmp_path, Store(tmp_path / "distillery.sqlite")).sentences == []


def test_unfinished_files_are_removed_and_foreign_ones_kept(folder: Path) -> None:
    unfinished = [folder / "runs" / "stopped here" / "checkpoint.1.part", folder / "teachers" / "a.2.part"]
    foreign = folder / "data sets" / "half fetched.part"
    for path in (*unfinished, foreign):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    check_integrity(folder, Store(folder / "distillery.sqlite"))
    assert [path.exists() for path in (*unfinished, foreign)] == [False, False, True]
