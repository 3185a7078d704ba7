"""The card under the verdict: reasons with their numbers, and a button for each that starts the changed run."""

from streamlit.testing.v1 import AppTest

from kd_core.config.run import from_flat
from kd_core.runs.manager import RunManager
from tests.pages.test_distill import Open, button, run_to_end, texts

LOSES = {"teacher_epochs": "0", "epochs": "20", "labelled": "200", "wrong": "0"}  # its teacher knows nothing


def titles(app: AppTest) -> list[str]:
    return [expander.label for expander in app.expander]


def test_a_run_that_lost_says_why_and_one_click_tries_the_remedy(open_page: Open, shared: RunManager) -> None:
    run = run_to_end(shared, **LOSES)
    assert shared.store.run(run).test["student"]["accuracy"] < shared.store.run(run).test["baseline"]["accuracy"]
    app = open_page("distill", run=run, autoplay="0")
    assert "Why did it lose?" in titles(app)
    assert "Your teacher is hardly better than chance" in texts(app)
    assert "This is a strong sign." in texts(app)
    button(app, "Train the teacher for 30 epochs").click().run()
    assert not app.exception
    started = app.query_params["run"]
    assert started != run
    assert shared.store.run(started).config == shared.store.run(run).config.with_flat(teacher_epochs="30")
    assert app.session_state["settings"]["teacher_epochs"] == "30"  # the form shows what was started
    assert app.query_params["autoplay"] == "0"


def test_a_run_without_a_reason_says_that_none_shows(open_page: Open, shared: RunManager) -> None:
    run = run_to_end(shared, epochs="100", teacher_epochs="30")
    app = open_page("distill", run=run)
    assert "Why is it not a clear win?" in titles(app)
    assert "None of the usual reasons shows in this run’s numbers." in texts(app)


def test_a_run_that_won_or_has_no_baseline_is_looked_into_on_request(open_page: Open, shared: RunManager) -> None:
    run = run_to_end(shared, control="false", **LOSES)
    app = open_page("distill", run=run)
    assert "Your teacher is hardly better than chance" not in texts(app)
    next(toggle for toggle in app.toggle if toggle.label == "Look for what could be better").set_value(True).run()
    assert "What could be better" in titles(app)
    assert "Your teacher is hardly better than chance" in texts(app)


def test_nothing_is_said_of_a_run_that_still_trains(open_page: Open, shared: RunManager) -> None:
    run = shared.start(from_flat({"dataset": "moons", **LOSES}), pace=0.5)
    app = open_page("distill", run=run)
    assert not [title for title in titles(app) if title.startswith("Why")]
    shared.stop(run)
