from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from kd_core.analysis import error_analysis
from kd_core.analysis.replay import Replay
from kd_core.config.run import RunConfig, from_flat
from kd_core.runs.manager import RunManager
from tools.testing.waiting import wait_for_end
from tools.testing.widgets import named

Open = Callable[..., AppTest]
QUICK = {"dataset": "moons", "epochs": "4", "teacher_epochs": "1", "labelled": "20"}
DIGITS = {"dataset": "digits", "epochs": "2", "teacher_epochs": "1"}
CAST = {"teacher": "teacher", "student": "student", "baseline": "baseline"}


def trained(shared: RunManager, config: RunConfig) -> str:
    run = shared.start(config)
    wait_for_end(shared, run, 60)
    return run


def seen(shared: RunManager, run: str) -> error_analysis.ErrorAnalysis:
    recall = Replay(shared.store, shared.store.run(run))
    return error_analysis.analyse(recall, recall.snapshot_at(-1), CAST)


def texts(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.error, app.info, app.warning, app.header)
    return "\n".join(str(element.value) for kind in kinds for element in kind).replace("\\", "")


def query(app: AppTest, name: str) -> str | None:
    found = app.query_params.get(name)
    return found[0] if isinstance(found, list) else found


def test_a_run_of_points_shows_all_its_figures(open_page: Open, shared: RunManager) -> None:
    app = open_page("inspect", run=trained(shared, from_flat(QUICK)))
    assert not app.error
    assert [heading.value for heading in app.header] == [
        "Confusion matrices",
        "Examples behind the counts",
        "Recall per class",
        "Decision surfaces",
        "Embeddings",
    ]


def test_images_have_no_decision_surface(open_page: Open, shared: RunManager) -> None:
    app = open_page("inspect", run=trained(shared, from_flat(DIGITS)))
    assert not app.error
    assert "Decision surfaces" not in texts(app)


def test_the_sentences_count_what_the_engine_counts(open_page: Open, shared: RunManager) -> None:
    run = trained(shared, from_flat(DIGITS))
    own = seen(shared, run)
    said = texts(open_page("inspect", run=run))
    assert f"Student fixed {len(own.examples('fixed'))}, broke {len(own.examples('broke'))}" in said
    assert f"fixed {len(own.examples('fixed_teacher'))}, broke {len(own.examples('broke_teacher'))}" in said
    assert f"{own.accuracy('student'):.1%} against {own.accuracy('baseline'):.1%} right" in said


def test_without_a_run_in_the_address_the_newest_finished_one_is_shown(open_page: Open, shared: RunManager) -> None:
    trained(shared, from_flat(QUICK))
    newest = trained(shared, from_flat(QUICK | {"seed": "5"}))
    shared.store.add("later", from_flat(QUICK), "interrupted")
    app = open_page("inspect", autoplay="0")
    assert app.selectbox(key="specimen").value == newest


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("training", "still training"),
        ("interrupted", "did not come to an end"),
        ("completed", "did not come to an end"),
    ],
)
def test_a_run_that_is_not_over_is_answered_with_a_sentence(
    open_page: Open, shared: RunManager, state: str, said: str
) -> None:
    shared.store.add("half", from_flat(QUICK), state)
    app = open_page("inspect", run="half", autoplay="0")
    assert said in app.error[0].value
    assert not app.header


def test_a_run_that_is_unknown_or_kept_no_weights_is_answered_with_a_sentence(
    open_page: Open, shared: RunManager
) -> None:
    app = open_page("inspect", run="<b>gone</b>", autoplay="0")
    assert "There is no run called" in app.error[0].value
    run = trained(shared, from_flat(QUICK))
    events = [(0.0, event) for _, event in shared.store.events(run)]
    shared.store.add("light", from_flat(QUICK), "completed")
    shared.store.append("light", 1, events)
    app = open_page("inspect", run="light", autoplay="0")
    assert "No weights of this run were kept" in app.error[0].value
    assert len(app.selectbox(key="specimen").options) == 1  # another one is offered


def test_on_an_empty_server_the_way_to_the_lab_is_shown(open_page: Open, shared: RunManager) -> None:
    app = open_page("inspect", autoplay="0")
    assert "No finished run is stored here yet" in app.info[0].value


def test_a_group_chosen_is_in_the_address_and_an_address_chooses_it(open_page: Open, shared: RunManager) -> None:
    run = trained(shared, from_flat(DIGITS))
    app = open_page("inspect", run=run)
    app.pills(key="group").set_value("hardest").run()
    assert query(app, "group") == "hardest"
    again = open_page("inspect", run=run, group="disputed")
    assert again.pills(key="group").value == "disputed"
    assert "farthest apart" in texts(again)


def test_a_cell_chosen_by_keyboard_shows_its_examples(open_page: Open, shared: RunManager) -> None:
    run = trained(shared, from_flat(DIGITS))
    own = seen(shared, run)
    app = open_page("inspect", run=run)
    app.selectbox(key="cell true").set_value("3").run()
    assert query(app, "group") is None  # a row alone is no cell
    app.selectbox(key="cell answered").set_value("3").run()
    assert {name: query(app, name) for name in ("group", "true_class", "answered")} == {
        "group": "cell",
        "true_class": "3",
        "answered": "3",
    }
    count = own.counts("student")[3][3]
    assert count
    assert f"One cell · {count}" in named(app, "button_group", "group").options
    assert "Examples of 3 that the student answers as 3" in texts(app)


def test_an_earlier_epoch_has_other_counts(open_page: Open, shared: RunManager) -> None:
    run = trained(shared, from_flat(DIGITS))
    recall = Replay(shared.store, shared.store.run(run))
    first = error_analysis.analyse(recall, recall.snapshot_at(0), CAST).accuracy("student")
    app = open_page("inspect", run=run)
    app.select_slider(key="inspected epoch").set_value(0).run()
    assert query(app, "epoch") == "0"
    assert f"{first:.1%} against" in texts(app)
    app.select_slider(key="inspected epoch").set_value(2).run()
    assert query(app, "epoch") is None


def test_a_run_without_a_baseline_is_compared_with_its_teacher_alone(open_page: Open, shared: RunManager) -> None:
    run = trained(shared, from_flat(QUICK | {"control": "false"}))
    app = open_page("inspect", run=run)
    assert not app.error
    assert [name.split(" · ")[0] for name in app.pills(key="group").options][:2] == [
        "Fixed, against the teacher",
        "Broke, against the teacher",
    ]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("group", "best", "choose one of fixed, broke"),
        ("true_class", "<b>", "choose one of A, B, or none"),
        ("example", "99999", "choose a whole number from 0 to"),
        ("temperature", "nan", "choose a number from 0.25 to 64"),
        ("heat", "1", "There is no setting called heat"),
    ],
)
def test_what_a_link_asks_in_vain_is_named_and_the_page_is_there_all_the_same(
    open_page: Open, shared: RunManager, name: str, value: str, said: str
) -> None:
    app = open_page("inspect", run=trained(shared, from_flat(QUICK)), **{name: value})
    (error,) = app.error
    assert said in error.value.replace("\\", "")
    assert len(app.header) == 5


def test_a_network_that_nobody_taught_is_named(open_page: Open, shared: RunManager) -> None:
    app = open_page("inspect", run=trained(shared, from_flat(QUICK)), pupil="peer 9")
    assert "choose one of student" in texts(app)


@pytest.mark.parametrize("scheme", ["mutual", "merge"])
def test_other_arrangements_can_be_inspected(open_page: Open, shared: RunManager, scheme: str) -> None:
    run = trained(shared, from_flat(DIGITS | {"scheme": scheme, "epochs": "1"}))
    app = open_page("inspect", run=run)
    assert not app.error
    assert len(app.header) == 4


def test_a_finished_run_in_the_lab_links_to_its_inspection(open_page: Open, shared: RunManager) -> None:
    run = trained(shared, from_flat(QUICK))
    app = open_page("distill", run=run)
    links = [link.proto.label for link in app.get("page_link")]
    assert any(label.startswith("Inspect what the student gained") for label in links)


def test_every_chart_has_words_and_a_camera_for_the_chosen_format_and_every_number_is_in_a_file(
    open_page: Open, shared: RunManager
) -> None:
    app = open_page("inspect", run=trained(shared, from_flat(DIGITS)))
    charts = [element.proto for element in app.get("plotly_chart")]
    assert len(charts) == 4 + 1 + 3  # matrices, recall, embeddings
    assert all(chart.alt and '"format": "svg"' in chart.config for chart in charts)
    labels = [fold.label for fold in app.expander if "as a table" in fold.label]
    assert len(labels) == 5  # confusions, examples, soft labels, recall, embeddings
    assert len(app.get("download_button")) == 5
    named(app, "button_group", "picture format").set_value("PNG").run()
    assert all('"format": "png"' in element.proto.config for element in app.get("plotly_chart"))
