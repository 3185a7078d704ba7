"""Small runs that are trained once for all tests of exports."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kd_core.config.run import from_flat
from kd_core.runs.manager import RunManager
from tools.testing.waiting import wait_for_end

COLOURS = {"=mc2": (200, 60, 60), "sky | sea": (60, 60, 200), "wood": (120, 160, 40)}  # hostile names among them


@pytest.fixture(scope="package")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures of several sizes with one folder per class."""
    root, chance = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (root / name).mkdir()
        for number in range(24):
            height, width = chance.integers(18, 40, 2)
            noise = chance.normal(0, 60, (height, width, 3))
            pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number:02d}.png")
    return root


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory, photographs: Path) -> Iterator[RunManager]:
    """A data folder, which this process holds, in which folders of pictures may be read."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("lab")
        patch.setenv("DISTILLERY_DATA", str(folder))
        patch.setenv("DISTILLERY_FOLDERS", str(photographs.parent))
        manager = RunManager(folder)
        yield manager
        manager.close()


@pytest.fixture(scope="package")
def photo_run(lab: RunManager, photographs: Path) -> str:
    """A completed run on the pictures."""
    settings = {
        "dataset": "folder", "dataset_path": str(photographs), "dataset_pixels": "16", "teacher": "cnn",
        "teacher_width": "8", "teacher_depth": "2", "teacher_epochs": "3", "student": "cnn", "student_width": "4",
        "student_depth": "2", "epochs": "3",
    }  # fmt: skip
    run = lab.start(from_flat(settings))
    assert wait_for_end(lab, run, 60) == "completed"
    return run


@pytest.fixture(scope="package")
def point_run(lab: RunManager) -> str:
    """A completed run on points."""
    run = lab.start(from_flat({"dataset": "moons", "epochs": "3", "teacher_epochs": "2", "labelled": "40"}))
    assert wait_for_end(lab, run, 60) == "completed"
    return run
