"""An app on a data folder in which another process trains."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from kd_core.config.run import from_flat
from kd_core.runs import manager
from kd_core.runs.viewer import RunViewer
from tools.testing.waiting import wait

pytestmark = pytest.mark.slow

Open = Callable[..., AppTest]
QUICK = {"dataset": "moons", "epochs": "40", "teacher_epochs": "1"}


def test_a_second_app_shows_the_run_of_the_first_and_says_what_cannot_be_done(
    shared: manager.RunManager, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shared.start(from_flat(QUICK), pace=0.2)
    wait(lambda: shared.store.count(run) > 5)
    monkeypatch.setattr(manager, "_shared", RunViewer(shared.folder))
    app = open_page("distill", run=run, **QUICK)
    app.session_state["is_framed"] = False  # with the frame, which AppTest.switch_page leaves out
    app.run()
    assert any("View only: a program" in notice.value.replace("\\", "") for notice in app.info)
    assert not {button.label for button in app.button} & {"Pause", "Stop and keep"}
    start = next(button for button in open_page("distill", **QUICK).button if button.label == "Start training")
    assert start.disabled
    assert "Start, change and delete runs there" in start.help
    assert len(shared.store.runs()) == 1
