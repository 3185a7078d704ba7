"""Fixtures with small configurations, small data sets and temporary data folders."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kd_core.config.run import RunConfig, from_flat
from kd_core.datasets import scenes, shapes
from kd_core.runs import event_writer
from kd_core.runs.manager import RunManager

# Imports and collected tests stay until the end: searching them for garbage again and again takes a tenth of the time.
gc.disable()


# Fewer images to draw and to judge networks by, which takes most of the time of a small run with masks or boxes.
shapes.HELD_OUT = scenes.TEST = 40


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


SMALL = {"dataset": "moons", "epochs": "6", "teacher_epochs": "2", "labelled": "40"}


@pytest.fixture
def small() -> RunConfig:
    return from_flat(SMALL)


@pytest.fixture
def small_with() -> Callable[..., RunConfig]:
    return lambda **changes: from_flat(SMALL | changes)


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[RunManager]:
    runs = RunManager(tmp_path)
    yield runs
    runs.close()


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write events and checkpoints many times a second, and retry as often."""
    monkeypatch.setattr(event_writer, "CHECKPOINT_SECONDS", 0.1)
    monkeypatch.setattr(event_writer, "CHECKPOINT_FRACTION", 1.0)
    monkeypatch.setattr(event_writer, "FLUSH_SECONDS", 0.02)
    monkeypatch.setattr(event_writer, "RETRY_SECONDS", 0.05)


@pytest.fixture(scope="session", autouse=True)
def data_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Use a temporary data folder, so that no test reads or changes the user's."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DISTILLERY_DATA", str(home))
        patch.delenv("DISTILLERY_FOLDERS", raising=False)
        yield home


@pytest.fixture(scope="session")
def installed_components() -> Iterator[None]:
    """Let Streamlit search all installed packages for components once, and not for every page of a test."""
    from streamlit.components.v2 import manifest_scanner  # of tests of pages alone

    with pytest.MonkeyPatch.context() as patch:
        search = functools.cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", search)
        yield


@pytest.fixture(scope="session")
def tiny(data_home: Path) -> Iterator[dict[str, Any]]:
    """Download small versions of all data sets into the data folder, from a server on this machine.

    Returns the published content by the name of the data set.
    """
    # Imported here, since torchvision takes seconds and most tests do not need it.
    from kd_core.base.registry import find_plugin
    from tools.testing.dataset_files import PUBLISHED
    from tools.testing.http_server import Host

    host = Host()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("no_proxy", "127.0.0.1")
        published = {name: publish(host.url) for name, publish in PUBLISHED.items()}
        for name, publication in published.items():
            host.files |= publication.files
            for cls, attribute, value in publication.patches:
                patch.setattr(cls, attribute, value)
            find_plugin("datasets", name)().download(lambda *_: None)  # type: ignore[attr-defined]
        host.close()
        yield published
