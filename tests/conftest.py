"""Small configurations that train in a fraction of a second, and a folder of runs that ends with the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kd_core.config import RunConfig, from_flat
from kd_core.runs import Runs

SMALL = {"dataset": "moons", "epochs": "6", "teacher_epochs": "2", "labelled": "40"}


@pytest.fixture
def small() -> RunConfig:
    return from_flat(SMALL)


@pytest.fixture
def small_with() -> Callable[..., RunConfig]:
    return lambda **changes: from_flat(SMALL | changes)


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    runs = Runs(tmp_path)
    yield runs
    runs.close()
