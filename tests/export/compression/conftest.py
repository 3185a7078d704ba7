"""A run on digits that is trained once, and its folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kd_core.config.run import from_flat
from kd_core.runs.manager import RunManager
from tools.testing.waiting import wait_for_end

DIGITS = {"dataset": "digits", "labelled": "0", "epochs": "3", "teacher": "mlp", "teacher_widths": "32",
          "teacher_epochs": "3", "student": "mlp", "student_widths": "24"}  # fmt: skip


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunManager, str]]:
    """A manager, and the id of a completed run in its folder."""
    folder: Path = tmp_path_factory.mktemp("compression")
    runs = RunManager(folder)
    run = runs.start(from_flat(DIGITS))
    assert wait_for_end(runs, run, 60) == "completed"
    yield runs, run
    runs.close()
