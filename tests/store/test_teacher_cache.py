"""Tests of the cache of trained teachers."""

from pathlib import Path

import pytest

from kd_core.config.run import RunConfig
from kd_core.store.teacher_cache import TeacherCache
from kd_core.training.loop import Trainer


@pytest.fixture
def teachers(tmp_path: Path) -> TeacherCache:
    return TeacherCache(tmp_path / "teachers")


def test_a_cached_teacher_gives_the_same_events(teachers: TeacherCache, small: RunConfig) -> None:
    events = list(Trainer(small, cache=teachers))
    assert len(teachers) == 1
    assert list(Trainer(small, cache=TeacherCache(teachers.folder))) == events


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint", None])
def test_a_damaged_file_is_replaced_by_training_again(
    teachers: TeacherCache, small: RunConfig, damage: bytes | None
) -> None:
    events = list(Trainer(small, cache=teachers))
    (path,) = teachers.folder.iterdir()
    path.write_bytes(path.read_bytes()[:-100] if damage is None else damage)
    assert list(Trainer(small, cache=teachers)) == events
    assert list(Trainer(small, cache=teachers)) == events  # read from the repaired cache
