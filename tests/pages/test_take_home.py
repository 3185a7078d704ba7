"""Dialog that exports the networks and the record of a run."""

import pytest

from kd_core.config.run import from_flat
from kd_core.export import formats
from kd_core.runs.manager import RunManager
from tests.pages.test_distill import QUICK, Open, button, texts
from tools.testing.waiting import wait_for_end


def test_the_dialog_offers_every_format_and_makes_nothing_before_it_is_asked(
    open_page: Open, shared: RunManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shared.start(from_flat(QUICK))
    assert wait_for_end(shared, run, 60) == "completed"
    monkeypatch.setattr(formats, "export", pytest.fail)
    monkeypatch.setattr(formats, "export_beside_training", pytest.fail)
    app = open_page("distill", run=run)
    assert "Download the ZIP" not in {each.label for each in app.get("download_button")}
    button(app, "Take the student home").click().run()
    labels = {each.label for each in app.get("download_button")}
    single = {to: each for to, each in formats.FORMATS.items() if each.takes in {formats.NETWORK, formats.RUN}}
    assert {"Download the ZIP"} | {each.title for to, each in single.items() if to != "zip"} <= labels
    assert f"unzip student-{run}.zip" in app.code[0].value
    assert "model card" in texts(app)
    (choice,) = [group for group in app.button_group if group.label == "Network"]
    choice.set_value("teacher").run()
    assert f"unzip teacher-{run}.zip" in app.code[0].value
