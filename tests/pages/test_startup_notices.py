"""What the screen says about runs that were interrupted, files that are missing, and disks that are full."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from kd_core.config.run import from_flat
from kd_core.runs import manager
from kd_core.runs.manager import RunManager
from kd_core.store.store import Store

SMALL = from_flat({"dataset": "moons", "epochs": "4", "teacher_epochs": "1"})


def said(app: AppTest) -> str:
    return "\n".join(str(element.value) for kind in (app.caption, app.warning, app.info) for element in kind)


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunManager:
    store = Store(tmp_path / "distillery.sqlite")
    for run, state in (("first", "training"), ("second", "queued"), ("third", "stopped")):
        store.add(run, SMALL, state)
    own = manager.RunManager(tmp_path)
    monkeypatch.setattr(manager, "_shared", own)
    yield own
    own.close()


def test_interrupted_runs_are_named_with_a_way_to_them_until_they_went_on(
    open_page: Callable[..., AppTest], shared: RunManager
) -> None:
    app = open_page("distill", autoplay="0")
    links = [link.proto.label for link in app.get("page_link")]
    assert sum("Interrupted when the app ended" in label for label in links) == 2
    assert "run third is no longer in the data folder" in said(app)
    shared.store.set_state("first", "completed")
    app = open_page("distill", autoplay="0", run="second")  # it is on the screen already
    assert not any("Interrupted when" in link.proto.label for link in app.get("page_link"))
    assert "it can go on where it was" in said(app)


def test_what_went_wrong_around_a_run_stands_beside_it(open_page: Callable[..., AppTest], shared: RunManager) -> None:
    shared._outcomes.set_notice("first", "The checkpoint cannot be written. The disk is full: free some space.")
    assert "free some space" in said(open_page("distill", autoplay="0", run="first"))
