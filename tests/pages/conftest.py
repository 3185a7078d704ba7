"""Fixtures that run the app without a browser on an empty data folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from kd_core.base.registry import find_plugin
from kd_core.datasets import forget
from kd_core.runs import manager
from pages.ui.app import auth
from pages.ui.app.login_throttle import LoginThrottle
from pages.ui.run import demonstration, live_controls

APP = Path(__file__).parents[2] / "app.py"


@pytest.fixture(autouse=True)
def local_presenter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every session act, since a test has no browser whose address could be checked."""
    for name in (auth.PASSWORD, auth.PRESENTERS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(auth, "_is_local", lambda: True)
    monkeypatch.setattr(auth, "_throttle", LoginThrottle())


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[manager.RunManager]:
    """An empty data folder that the pages show."""
    runs = manager.RunManager(tmp_path)
    show_on_pages(runs, monkeypatch)
    yield runs
    runs.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[manager.RunManager]:
    """A data folder of all tests of a module, whose runs are trained once."""
    runs = manager.RunManager(tmp_path_factory.mktemp("lab"))
    yield runs
    runs.close()


def show_on_pages(runs: manager.RunManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manager, "_shared", runs)
    monkeypatch.setattr(demonstration, "_started", [])
    monkeypatch.setattr(live_controls, "WATCH_SECONDS", 0.0)  # no test waits for a run to be watched


@pytest.fixture
def open_page(shared: manager.RunManager, installed_components: None) -> Callable[..., AppTest]:
    def visit(page: str, **parameters: str) -> AppTest:
        app = AppTest.from_file(str(APP), default_timeout=60)
        is_start = page == "start"
        # The app opens with its start page, which trains a demonstration unless the link says otherwise.
        for name, value in (({} if is_start else {"autoplay": "0"}) | parameters).items():
            app.query_params[name] = value
        app.run()
        if not is_start:
            app.switch_page(f"pages/{page}.py").run()
        assert not app.exception
        assert not any("Something went wrong" in error.value for error in app.error)
        return app

    return visit


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder that holds all downloads and uploads of the test."""
    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path))
    for name in ("mnist", "kmnist"):
        forget(find_plugin("datasets", name)())  # other tests may have loaded them from another folder
    return tmp_path
