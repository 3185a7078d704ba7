"""Tests of searches on the Sweep page without a browser."""

from __future__ import annotations

import importlib.util
from urllib.parse import parse_qsl

import pytest
from streamlit.testing.v1 import AppTest

from kd_core.base.marks import unbroken
from kd_core.config.run import from_flat
from kd_core.config.sweep.search import plan_search
from kd_core.export import formats
from kd_core.runs.manager import RunManager
from kd_core.runs.sweeps.search_results import SearchResults, collect_search
from kd_core.runs.sweeps.sweep_eta import SweepEstimator
from kd_core.store.records import PRUNED
from pages.ui.sweep.settings import read_space, space_text
from tests.pages.test_compare import all_texts
from tests.pages.test_distill import Open, button
from tools.testing.waiting import wait_for_end

SMALL = {"dataset": "moons", "epochs": "4", "teacher_epochs": "1", "labelled": "40"}
SPACE = {"temperature": "1..16:log", "alpha": "0..1:linear", "learning_rate": "0.001,0.01"}
needs_optuna = pytest.mark.skipif(importlib.util.find_spec("optuna") is None, reason="Optuna is not installed.")


@pytest.fixture(autouse=True)
def _no_time_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SweepEstimator, "request", lambda *_: False)


@pytest.fixture
def searched(shared: RunManager) -> str:
    search, _ = plan_search(from_flat(SMALL), SPACE, {}, (0, 1), trials=8, confirmations=2)
    name = shared.start_search(search)
    assert wait_for_end(shared, name, 60) == "completed"
    return name


def stored(shared: RunManager, name: str) -> SearchResults:
    return collect_search(shared.store, shared.store.sweep(name))


def trials(app: AppTest):
    return next(frame.value for frame in app.dataframe if "trial" in frame.value.columns)


def test_a_space_survives_the_link() -> None:
    assert read_space(space_text(SPACE)) == SPACE
    assert read_space("") == {}


def test_the_form_offers_ranges_around_the_settings(open_page: Open) -> None:
    app = open_page("sweep", mode="search")
    assert app.multiselect(key="search options").value == ["temperature", "alpha", "learning_rate"]
    assert app.text_input(key="search temperature").value == "1..16"
    app.multiselect(key="search options").set_value(["temperature", "method"]).run()
    assert read_space(app.query_params["space"]) == {"temperature": "1..16", "method": "all"}


@needs_optuna
def test_a_search_started_on_the_page_shows_every_trial_and_the_confirmed_verdict(
    open_page: Open, shared: RunManager
) -> None:
    app = open_page("sweep", mode="search", space=space_text(SPACE), trials="6", seeds="1", **SMALL)
    assert "**At most 6 trials × 1 seeds, and 5 runs to confirm the best = 11 runs.**" in all_texts(app)
    button(app, "Start the search").click().run()
    name = app.query_params["sweep"]
    assert wait_for_end(shared, name, 60) == "completed"
    app.run()
    ended = stored(shared, name)
    assert ended.reason in all_texts(app).replace("\\", "")
    rows = trials(app).to_dict("records")
    assert {row["trial"] for row in rows} == {1, 2, 3, 4, 5, 6}
    best = next(row for row in rows if row["best"])
    assert best["accuracy, %"] == pytest.approx(100 * ended.best.accuracy)
    assert best["Temperature T"] == ended.best.values["temperature"]
    assert unbroken(ended.verdict.sentence) in all_texts(app)


@needs_optuna
def test_the_best_settings_open_in_distill_and_the_axes_of_the_chart_can_be_chosen(
    open_page: Open, shared: RunManager, searched: str
) -> None:
    app = open_page("sweep", sweep=searched)
    best = stored(shared, searched).best
    links = {element.proto.label: element.proto for element in app.get("page_link")}
    query = dict(parse_qsl(links["Use these settings in Distill"].query_string))
    assert from_flat(query) == best.config
    app.selectbox(key="search axis 1").set_value("learning_rate").run()
    assert not app.exception
    assert app.query_params["down"] in ("learning_rate", ["learning_rate"])
    earlier = open_page("sweep")
    labels = [element.proto.label.replace("\\", "") for element in earlier.get("page_link")]
    assert any("Search: Temperature T (1 to 16)" in label for label in labels)


@needs_optuna
@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        ("temperature=4..4", "this range is empty"),
        ("temperature=0..4", "choose a number from 0.5 to 20"),
        ("optimiser=1..4", "only numbers have ranges"),
        ("method=dkd", "dkd"),
    ],
)
def test_what_cannot_be_searched_is_said_and_cannot_be_started(open_page: Open, space: str, sentence: str) -> None:
    app = open_page("sweep", mode="search", space=space, **SMALL)
    assert any(sentence in error.value.replace("\\", "") for error in app.error)
    assert button(app, "Start the search").disabled


def test_without_optuna_the_form_says_how_to_get_it(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *more: None if name == "optuna" else find(name, *more))
    app = open_page("sweep", mode="search", **SMALL)
    assert any("pip install" in error.value for error in app.error)
    assert button(app, "Start the search").disabled


@needs_optuna
def test_other_pages_show_a_search_as_one_row(open_page: Open, searched: str) -> None:
    app = open_page("compare")
    assert not app.exception
    assert "Search: Temperature T" in str([frame.value.to_dict("records") for frame in app.dataframe])
    assert not open_page("distill").exception


@needs_optuna
def test_a_pruned_run_opens_and_says_what_it_is(open_page: Open, shared: RunManager) -> None:
    search, _ = plan_search(from_flat(SMALL), SPACE, {}, (0,), trials=24, confirmations=1)
    name = shared.start_search(search)
    assert wait_for_end(shared, name, 60) == "completed"
    pruned = next(trial for trial in stored(shared, name).trials if trial.state == PRUNED)
    run = pruned.runs[0].id
    app = open_page("distill", run=run)
    assert any("ended early" in info.value for info in app.info)
    assert not app.exception
    assert not open_page("inspect", run=run).exception
    assert not open_page("compare", runs=f"{run},{shared.store.members(name)[0].id}").exception
    (path, _) = formats.write(shared.store, run, "html", str(shared.folder / "report.html"), "", dict)
    assert "Pruned" in path.read_text(encoding="utf-8")
