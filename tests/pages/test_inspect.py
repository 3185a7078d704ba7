"""Tests of the Inspect page without a browser."""

import re
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from kd_core.analysis import error_analysis
from kd_core.analysis.replay import Replay
from kd_core.base.marks import percent
from kd_core.config.run import RunConfig, from_flat
from kd_core.runs.manager import RunManager
from tools.testing.waiting import wait_for_end
from tools.testing.widgets import named, open_tables

Open = Callable[..., AppTest]
QUICK = {"dataset": "moons", "epochs": "4", "teacher_epochs": "1", "labelled": "20"}
DIGITS = {"dataset": "digits", "epochs": "2", "teacher_epochs": "1"}
ROLE_MAP = {"teacher": "teacher", "student": "student", "baseline": "baseline"}


def trained(shared: RunManager, config: RunConfig) -> str:
    run = shared.start(config)
    wait_for_end(shared, run, 60)
    return run


def analysis_of(shared: RunManager, run: str) -> error_analysis.ErrorAnalysis:
    replay = Replay(shared.store, shared.store.run(run))
    return error_analysis.analyse(replay, replay.snapshot_at(-1), ROLE_MAP)


def texts(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.error, app.info, app.warning, app.header)
    return "\n".join(str(element.value) for kind in kinds for element in kind).replace("\\", "")


def query(app: AppTest, name: str) -> str | None:
    value = app.query_params.get(name)
    return value[0] if isinstance(value, list) else value


@pytest.mark.slow
def test_a_run_of_points_shows_all_its_figures(open_page: Open, shared: RunManager) -> None:
    app = open_page("inspect", run=trained(shared, from_flat(QUICK)))
    assert not app.error
    assert len(app.header) == 5
    assert len(app.get("plotly_chart")) == 4 + 1 + 3  # matrices, recall, embeddings


@pytest.mark.slow
def test_images_have_no_decision_surface(open_page: Open, shared: RunManager) -> None:
    app = open_page("inspect", run=trained(shared, from_flat(DIGITS)))
    assert not app.error
    assert len(app.header) == 4


@pytest.mark.slow
def test_the_summary_has_the_counts_and_accuracies_of_the_analysis(open_page: Open, shared: RunManager) -> None:
    run = trained(shared, from_flat(DIGITS))
    analysis = analysis_of(shared, run)
    page = texts(open_page("inspect", run=run))
    for fixed, broke, reference in (("fixed", "broke", "baseline"), ("fixed_teacher", "broke_teacher", "teacher")):
        fixed_count, broke_count = (len(analysis.examples(group)) for group in (fixed, broke))
        accuracies = (percent(analysis.accuracy(part)) for part in ("student", reference))
        assert re.search(
            rf"\b{fixed_count} errors\b.*\b{broke_count}\b.*{re.escape(' against '.join(accuracies))}", page
        ), reference


@pytest.mark.slow
def test_without_a_run_in_the_url_the_newest_finished_one_is_shown(open_page: Open, shared: RunManager) -> None:
    trained(shared, from_flat(QUICK))
    newest = trained(shared, from_flat(QUICK | {"seed": "5"}))
    shared.store.add("later", from_flat(QUICK), "interrupted")
    app = open_page("inspect")
    assert app.selectbox(key="specimen").value == newest


@pytest.mark.parametrize(
    ("state", "reason"), [("training", "still training"), ("interrupted", "test set"), ("completed", "test set")]
)
def test_a_run_that_has_not_ended_is_reported(open_page: Open, shared: RunManager, state: str, reason: str) -> None:
    shared.store.add("half", from_flat(QUICK), state)
    app = open_page("inspect", run="half")
    assert reason in app.error[0].value
    assert not app.header


def test_a_missing_run_and_one_without_weights_are_reported(open_page: Open, shared: RunManager) -> None:
    app = open_page("inspect", run="<b>gone</b>")
    assert "gone" in app.error[0].value
    run = trained(shared, from_flat(QUICK))
    events = [(0.0, event) for _, event in shared.store.events(run)]
    shared.store.add("light", from_flat(QUICK), "completed")
    shared.store.append("light", 1, events)
    app = open_page("inspect", run="light")
    assert "weights" in app.error[0].value
    assert len(app.selectbox(key="specimen").options) == 1  # another one is offered


def test_on_an_empty_server_a_link_to_distill_is_shown(open_page: Open, shared: RunManager) -> None:
    app = open_page("inspect")
    assert app.info
    assert [link.proto.page.rsplit("/", 1)[-1] for link in app.get("page_link")] == ["distill"]


@pytest.mark.slow
def test_the_group_of_examples_is_kept_in_the_url(open_page: Open, shared: RunManager) -> None:
    run = trained(shared, from_flat(DIGITS))
    app = open_page("inspect", run=run)
    app.pills(key="group").set_value("hardest").run()
    assert query(app, "group") == "hardest"
    again = open_page("inspect", run=run, group="disputed")
    assert again.pills(key="group").value == "disputed"
    assert "Jensen-Shannon" in texts(again)


@pytest.mark.slow
def test_a_cell_chosen_by_keyboard_shows_its_examples(open_page: Open, shared: RunManager) -> None:
    run = trained(shared, from_flat(DIGITS))
    analysis = analysis_of(shared, run)
    app = open_page("inspect", run=run)
    app.selectbox(key="cell true").set_value("3").run()
    assert query(app, "group") is None  # a row without a column
    app.selectbox(key="cell answered").set_value("3").run()
    assert {name: query(app, name) for name in ("group", "true_class", "answered")} == {
        "group": "cell",
        "true_class": "3",
        "answered": "3",
    }
    count = analysis.counts("student")[3][3]
    assert count
    assert f"One cell · {count}" in named(app, "button_group", "group").options
    assert "Examples of class 3 that the student predicts as 3" in texts(app)


@pytest.mark.slow
def test_an_earlier_epoch_has_other_counts(open_page: Open, shared: RunManager) -> None:
    run = trained(shared, from_flat(DIGITS))
    replay = Replay(shared.store, shared.store.run(run))
    first = error_analysis.analyse(replay, replay.snapshot_at(0), ROLE_MAP).accuracy("student")
    app = open_page("inspect", run=run)
    app.select_slider(key="epoch").set_value(0).run()
    assert query(app, "epoch") == "0"
    assert f"{percent(first)} against" in texts(app)
    app.select_slider(key="epoch").set_value(2).run()
    assert query(app, "epoch") is None


def test_a_run_without_a_baseline_is_compared_with_its_teacher_alone(open_page: Open, shared: RunManager) -> None:
    run = trained(shared, from_flat(QUICK | {"control": "false"}))
    app = open_page("inspect", run=run)
    assert not app.error
    assert [name.split(" · ")[0] for name in app.pills(key="group").options][:2] == [
        "Corrected, against the teacher",
        "Newly wrong, against the teacher",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("group", "best", "choose one of fixed, broke"),
        ("true_class", "<b>", "choose one of A, B, or none"),
        ("example", "99999", "choose a whole number from 0 to"),
        ("temperature", "nan", "choose a number from 0.25 to 64"),
        ("heat", "1", "heat"),
    ],
)
def test_invalid_settings_in_a_link_are_reported_and_the_page_is_complete(
    open_page: Open, shared: RunManager, name: str, value: str, message: str
) -> None:
    app = open_page("inspect", run=trained(shared, from_flat(QUICK)), **{name: value})
    (error,) = app.error
    assert message in error.value.replace("\\", "")
    assert len(app.header) == 5


def test_a_missing_student_is_reported_with_the_existing_ones(open_page: Open, shared: RunManager) -> None:
    app = open_page("inspect", run=trained(shared, from_flat(QUICK)), pupil="peer 9", autoplay="1")
    assert "choose one of student" in texts(app)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["mutual", "merge"])
def test_runs_of_other_schemes_can_be_inspected(open_page: Open, shared: RunManager, scheme: str) -> None:
    run = trained(shared, from_flat(DIGITS | {"scheme": scheme, "epochs": "1"}))
    app = open_page("inspect", run=run)
    assert not app.error
    assert len(app.header) == 4


def test_a_finished_run_on_distill_links_to_its_inspection(open_page: Open, shared: RunManager) -> None:
    run = trained(shared, from_flat(QUICK))
    app = open_page("distill", run=run)
    links = [(link.proto.page.rsplit("/", 1)[-1], link.proto.query_string) for link in app.get("page_link")]
    assert ("inspect", f"run={run}") in links


@pytest.mark.slow
def test_every_chart_has_a_text_alternative_an_image_format_and_a_csv(open_page: Open, shared: RunManager) -> None:
    app = open_page("inspect", run=trained(shared, from_flat(DIGITS)))
    charts = [element.proto for element in app.get("plotly_chart")]
    assert len(charts) == 4 + 1 + 3  # matrices, recall, embeddings
    assert all(chart.alt and '"format": "svg"' in chart.config for chart in charts)
    labels = [fold.label for fold in app.expander if "as a table" in fold.label]
    assert len(labels) == 5  # confusions, examples, probabilities, recall, embeddings
    assert not app.dataframe  # computed while they are open
    assert len(open_tables(app).get("download_button")) == 5
    named(app, "button_group", "picture format").set_value("PNG").run()
    assert all('"format": "png"' in element.proto.config for element in app.get("plotly_chart"))
