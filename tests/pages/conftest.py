"""The app without a browser, on an empty data folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from kd_core.base.registry import find_plugin
from kd_core.datasets import forget
from kd_core.runs import manager
from pages.ui import start
from pages.ui.app import auth
from pages.ui.app.login_throttle import LoginThrottle

APP = Path(__file__).parents[2] / "app.py"


@pytest.fixture(autouse=True)
def at_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test has no browser that could say where it runs: as usual it is at the machine itself, and may act."""
    for name in (auth.PASSWORD, auth.PRESENTERS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(auth, "_is_here", lambda: True)
    monkeypatch.setattr(auth, "_attempts", LoginThrottle())


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[manager.RunManager]:
    own = manager.RunManager(tmp_path)
    monkeypatch.setattr(manager, "_shared", own)
    monkeypatch.setattr(start, "_begun", [])
    yield own
    own.close()


@pytest.fixture
def open_page(shared: manager.RunManager) -> Callable[..., AppTest]:
    def visit(page: str, **link: str) -> AppTest:
        app = AppTest.from_file(str(APP), default_timeout=60)
        for name, value in link.items():
            app.query_params[name] = value
        app.run()
        if page != "start":
            app.switch_page(f"pages/{page}.py").run()
        assert not app.exception
        assert not any("Something went wrong" in error.value for error in app.error)
        return app

    return visit


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home of its own."""
    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path))
    for name in ("mnist", "kmnist"):
        forget(find_plugin("datasets", name)())  # what other tests fetched elsewhere
    return tmp_path
