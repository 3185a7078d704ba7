from pathlib import Path

import pytest

from kd_core.config.run import RunConfig
from kd_core.store.teacher_cache import TeacherCache
from kd_core.training.loop import Trainer


@pytest.fixture
def kept(tmp_path: Path) -> TeacherCache:
    return TeacherCache(tmp_path / "teachers")


def test_a_teacher_comes_back_from_disk_as_it_was(kept: TeacherCache, small: RunConfig) -> None:
    first = list(Trainer(small, cache=kept))
    assert len(kept) == 1
    assert list(Trainer(small, cache=TeacherCache(kept.folder))) == first


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint", None])
def test_a_damaged_file_costs_the_time_to_train_again_and_nothing_else(
    kept: TeacherCache, small: RunConfig, damage: bytes | None
) -> None:
    first = list(Trainer(small, cache=kept))
    (path,) = kept.folder.iterdir()
    path.write_bytes(path.read_bytes()[:-100] if damage is None else damage)
    assert list(Trainer(small, cache=kept)) == first
    assert list(Trainer(small, cache=kept)) == first  # mended
