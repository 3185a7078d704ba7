"""Small configurations that train in a fraction of a second, tiny data sets, folders that end with the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kd_core import journal
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


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events and checkpoints are written many times a second, and tried again as often."""
    monkeypatch.setattr(journal, "CHECKPOINT_SECONDS", 0.1)
    monkeypatch.setattr(journal, "CHECKPOINT_SHARE", 1.0)
    monkeypatch.setattr(journal, "FLUSH_SECONDS", 0.02)
    monkeypatch.setattr(journal, "RETRY_SECONDS", 0.05)


@pytest.fixture(scope="session", autouse=True)
def data_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """No test sees or touches what its user has fetched."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DISTILLERY_DATA", str(home))
        patch.delenv("DISTILLERY_FOLDERS", raising=False)
        yield home


@pytest.fixture(scope="session")
def tiny(data_home: Path) -> Iterator[dict[str, Any]]:
    """What was published in each data set that is fetched; all of them are fetched into the home, from this machine."""
    # Imported here: torchvision takes seconds, and most tests need none of it.
    from kd_core.catalogue import find
    from tests.datasets.server import Host
    from tests.datasets.tiny import PUBLISHED

    host = Host()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("no_proxy", "127.0.0.1")
        published = {name: publish(host.url) for name, publish in PUBLISHED.items()}
        for name, one in published.items():
            host.files |= one.files
            for cls, attribute, value in one.patches:
                patch.setattr(cls, attribute, value)
            find("datasets", name)().fetch(lambda *_: None)  # type: ignore[attr-defined]
        host.close()
        yield published
