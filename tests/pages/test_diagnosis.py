"""Card that explains why the student did not beat the baseline."""

import pytest
from streamlit.testing.v1 import AppTest

from kd_core.analysis.verdict import Verdict
from kd_core.config.run import from_flat
from kd_core.runs.manager import RunManager
from pages.ui.run.result import diagnosis
from tests.pages.test_distill import Open, run_to_end, texts

LOSES = {"teacher_epochs": "0", "epochs": "20", "labelled": "200", "wrong": "0"}  # the teacher is untrained


def remedies(app: AppTest) -> list:
    return [button for button in app.button if (button.key or "").startswith("remedy for ")]


def titles(app: AppTest) -> list[str]:
    return [expander.label for expander in app.expander]


@pytest.mark.slow
def test_the_card_of_a_worse_student_gives_a_reason_and_one_click_tries_the_remedy(
    open_page: Open, shared: RunManager
) -> None:
    run = run_to_end(shared, **LOSES)
    assert shared.store.run(run).test["student"]["accuracy"] < shared.store.run(run).test["baseline"]["accuracy"]
    app = open_page("distill", run=run)
    assert "Why is it worse?" in titles(app)
    assert "chance" in texts(app)
    remedies(app)[0].click().run()
    assert not app.exception
    started = app.query_params["run"]
    assert started != run
    assert shared.store.run(started).config == shared.store.run(run).config.with_flat(teacher_epochs="30")
    assert app.session_state["settings"]["teacher_epochs"] == "30"  # the form shows what was started
    assert app.query_params["autoplay"] == "0"


@pytest.mark.slow
def test_the_card_says_if_no_common_problem_was_found(open_page: Open, shared: RunManager) -> None:
    run = run_to_end(shared, epochs="100", teacher_epochs="30")
    app = open_page("distill", run=run)
    assert not [title for title in titles(app) if title.startswith("Why")]  # one seed with a gain
    app.toggle(key=f"look into {run}").set_value(True).run()
    assert "Possible improvements" in titles(app)
    assert diagnosis.NOTHING in texts(app)


def test_the_card_of_a_run_without_a_baseline_opens_on_request(open_page: Open, shared: RunManager) -> None:
    run = run_to_end(shared, control="false", **LOSES)
    app = open_page("distill", run=run)
    assert remedies(app) == []
    app.toggle(key=f"look into {run}").set_value(True).run()
    assert "Possible improvements" in titles(app)
    assert remedies(app)


def test_a_run_that_still_trains_has_no_card(open_page: Open, shared: RunManager) -> None:
    run = shared.start(from_flat({"dataset": "moons", **LOSES}), pace=0.5)
    app = open_page("distill", run=run)
    assert not [title for title in titles(app) if title.startswith("Why")]
    shared.stop(run)


@pytest.mark.parametrize(
    ("outcome", "gain", "expected"),
    [("gain", 5.0, False), ("alone", None, False), ("loss", -5.0, True), ("open", 0.4, True), ("single", 2.0, False),
     ("single", -2.0, True)],
)  # fmt: skip
def test_only_a_student_that_did_not_gain_needs_an_explanation(
    outcome: str, gain: float | None, expected: bool
) -> None:
    assert diagnosis.needs_explanation(Verdict(outcome, "", gain)) == expected
