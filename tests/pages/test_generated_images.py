"""Images that a student is trained on, drawn beside its curves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from kd_core.base.events import Generated
from kd_core.runs.manager import RunManager
from pages.ui.run.frames import run_frames
from tests.pages.test_distill import button, finish, texts

QUICK = {
    "dataset": "digits", "scheme": "data_free", "images": "20", "iterations": "4", "epochs": "1", "teacher_epochs": "1",
    "labelled": "200",
}  # fmt: skip


@pytest.mark.slow
def test_the_last_images_of_a_run_are_drawn_with_the_classes_that_they_are_made_for(
    open_page: Callable[..., AppTest], shared: RunManager
) -> None:
    app = open_page("distill", **QUICK)
    button(app, "Start training").click().run()
    run = app.query_params["run"]
    finish(shared, 1)
    app.run()
    assert not app.exception
    stored = [event for _, event in shared.store.iter_events(run, kinds=("generated",))]
    assert isinstance(stored[-1], Generated)
    assert run_frames(run).generated == stored[-1]
    assert f"images that it is trained on, after step {stored[-1].step}" in texts(app)
    html = " ".join(str(element.proto) for element in app.get("html"))
    assert html.count("<img") == 20
    assert html.count('alt=\\"made for class 7\\"') == 2
    names = {series["name"] for series in run_frames(run).series}
    assert not any("Baseline’s CE" in name for name in names)  # it has a teacher, too
