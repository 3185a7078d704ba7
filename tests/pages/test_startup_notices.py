"""Notices about interrupted runs, missing files and full disks."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from kd_core.config.run import from_flat
from kd_core.runs import manager
from kd_core.runs.manager import RunManager
from kd_core.store.store import Store

SMALL = from_flat({"dataset": "moons", "epochs": "4", "teacher_epochs": "1"})


def texts(app: AppTest) -> str:
    return "\n".join(str(element.value) for kind in (app.caption, app.warning, app.info) for element in kind)


def links(app: AppTest) -> str:
    return "\n".join(link.proto.label for link in app.get("page_link"))


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunManager:
    store = Store(tmp_path / "distillery.sqlite")
    for run, state in (("first", "training"), ("second", "queued"), ("third", "stopped")):
        store.add(run, SMALL, state)
    runs = manager.RunManager(tmp_path)
    monkeypatch.setattr(manager, "_shared", runs)
    yield runs
    runs.close()


def test_interrupted_runs_are_linked_until_they_are_completed(
    open_page: Callable[..., AppTest], shared: RunManager
) -> None:
    app = open_page("distill", autoplay="0")
    assert [run for run in ("first", "second", "third") if f"Run {run} was interrupted" in links(app)] == [
        "first",
        "second",
    ]
    assert "run third" in texts(app)  # whose checkpoint is missing
    shared.store.set_state("first", "completed")
    app = open_page("distill", autoplay="0", run="second")  # the page shows the other interrupted run itself
    assert "interrupted" not in links(app)
    assert "Resume" in [button.label for button in app.button]


def test_a_problem_with_the_files_of_a_run_is_shown_on_its_page(
    open_page: Callable[..., AppTest], shared: RunManager
) -> None:
    shared._states.set_notice("first", "The checkpoint cannot be written. The disk is full: free some space.")
    assert "free some space" in texts(open_page("distill", autoplay="0", run="first"))
