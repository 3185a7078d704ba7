"""Page that sets up, starts and shows a run."""

import re
import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from kd_core.base.events import Adjusted
from kd_core.config.run import from_flat
from kd_core.config.sweep import Sweep
from kd_core.export.code import script
from kd_core.runs.manager import RunManager
from kd_core.training.loop import Trainer
from pages.ui.run.frames import run_frames
from tools.testing.waiting import wait
from tools.testing.widgets import named

Open = Callable[..., AppTest]
QUICK = {"dataset": "moons", "epochs": "4", "teacher_epochs": "1"}


def button(app: AppTest, label: str):
    return next(element for element in app.button if element.label == label)


def texts(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.error, app.info, app.latex, app.header)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def finish(shared: RunManager, count: int) -> None:
    wait(lambda: len(shared.store.in_state("completed")) >= count, 60)


def test_the_start_button_trains_the_settings_of_the_form_and_the_link_opens_the_run(
    open_page: Open, shared: RunManager
) -> None:
    app = open_page("distill", **QUICK, temperature="2")
    button(app, "Start training").click().run()
    run = app.query_params["run"]
    assert shared.store.run(run).config == from_flat({**QUICK, "temperature": "2"})
    finish(shared, 1)
    app.run()
    assert "One seed" in texts(app)
    again = open_page("distill", run=run)
    assert "One seed" in texts(again)
    assert again.query_params["temperature"] == "2"  # the form shows the run's settings


def test_the_settings_are_shown_as_a_script_that_can_be_copied(open_page: Open) -> None:
    app = open_page("distill", autoplay="0", **QUICK, temperature="3")
    assert not any("derive_seed" in element.value for element in app.code)  # written when it is asked for
    button(app, "Show me the PyTorch").click().run()
    (text,) = [element.value for element in app.code if "def distillation_loss" in element.value]
    assert text == script(from_flat({**QUICK, "temperature": "3"})).strip()


def test_more_seeds_are_trained_on_request_and_the_result_counts_five(open_page: Open, shared: RunManager) -> None:
    app = open_page("distill", **QUICK)
    button(app, "Start training").click().run()
    finish(shared, 1)
    app.run()
    button(app, "Repeat with 4 more seeds").click().run()
    finish(shared, 5)
    app.run()
    assert "over 5 seeds" in texts(app)
    (alone,) = shared.store.runs()
    assert [run.seed for run in shared.store.siblings(alone.family)] == [0, 1, 2, 3, 4]


def test_seeds_that_wait_show_their_position_in_the_queue(open_page: Open, shared: RunManager) -> None:
    run = shared.start(from_flat(QUICK))
    finish(shared, 1)
    long = shared.start(from_flat({**QUICK, "epochs": "9000"}))
    shared.start_sweep(Sweep.over_seeds(from_flat(QUICK), [1, 2]))
    bars = [bar.proto.text for bar in open_page("distill", run=run).get("progress")]
    assert any("2 more seeds" in text and "1 run ahead" in text for text in bars)
    shared.stop(long)
    finish(shared, 3)


def test_the_formula_shows_the_chosen_numbers(open_page: Open) -> None:
    app = open_page("distill", alpha="0.25", temperature="8")
    formula = app.latex[0].value
    assert r"0.75 \cdot \mathrm{CE}" in formula
    assert r"0.25 \cdot 8^2" in formula


def test_each_network_is_shown_with_its_cost_and_its_training_data(open_page: Open) -> None:
    app = open_page("distill")
    assert "**4,810** parameters · 9.5 kFLOPs" in [caption.value for caption in app.caption]
    assert re.match(r"19\.2 kB, \d+\.\d\d ms per example", named(app, "selectbox", "set student").help)
    assert "The **teacher** learns from 1,000 labelled images" in texts(app)
    assert "The **student** learns from 50 labelled images" in texts(app)


def test_another_data_set_brings_its_recommended_settings_and_models_that_fit(open_page: Open) -> None:
    app = open_page("distill")
    app.selectbox(key="set dataset").select("moons").run()
    assert named(app, "selectbox", "set teacher").options == ["MLP", "teacher from a file"]
    assert named(app, "number_input", "set labelled").value == 60
    assert not app.error


def test_a_number_out_of_range_is_refused_with_the_range_and_disables_the_start(
    open_page: Open, shared: RunManager
) -> None:
    app = open_page("distill")
    app.number_input(key="set epochs").set_value(0).run()
    assert "Epochs" in app.error[0].value
    assert "from 1 to 10000" in app.error[0].value.replace("\\", "")
    assert button(app, "Start training").disabled
    assert app.number_input(key="set epochs").value == 0  # the input can be corrected
    app.number_input(key="set epochs").set_value(3).run()
    assert not app.error
    assert shared.store.runs() == []


@pytest.mark.parametrize(
    ("link", "fragments"),
    [
        ({"temperature": "900"}, ["“Temperature T”", '"900"', "from 0.5 to 20"]),
        ({"dataset": "<b>x</b>"}, ["dataset", '"<b>x</b>"', "choose one of"]),
        ({"labelled": "5000"}, ["“Labelled training examples”", "5000", "1,000 images"]),
        ({"colour": "red"}, ["colour"]),
        ({"dataset": "moons", "teacher": "cnn"}, ["“Teacher”", "cnn", "images"]),
    ],
)
def test_a_bad_link_shows_name_value_and_range_and_starts_nothing(
    open_page: Open, shared: RunManager, link: dict[str, str], fragments: list[str]
) -> None:
    app = open_page("distill", **link)
    assert [text for text in fragments if text not in app.error[0].value.replace("\\", "")] == []
    assert shared.store.runs() == []
    assert app.latex  # the form is drawn


def test_an_invalid_setting_of_a_link_survives_a_reload(open_page: Open) -> None:
    link = {"dataset": "digits", "scheme": "mutual", "networks": "nobody", "temperature": "2"}
    for _ in range(2):
        app = open_page("distill", **link)
        assert '= "nobody"' in app.error[0].value.replace("\\", "")
        assert button(app, "Start training").disabled
        assert app.selectbox(key="set scheme").value == "mutual"
        link = {name: "".join(text) for name, text in app.query_params.items() if name != "autoplay"}
        assert link == {"dataset": "digits", "scheme": "mutual", "networks": "nobody", "temperature": "2"}


def test_an_invalid_setting_removes_no_option_of_the_data_set_from_the_url(open_page: Open) -> None:
    app = open_page("distill", dataset="moons", dataset_noise="0.3", temperature="900")
    assert {"".join(app.query_params[name]) for name in ("dataset_noise", "temperature")} == {"0.3", "900"}


def test_an_unknown_run_shows_an_error_and_a_button_that_opens_the_form(open_page: Open) -> None:
    app = open_page("distill", run="nothing")
    assert "“nothing”" in app.error[0].value
    button(app, "Show the page without it").click().run()
    assert not app.error
    assert button(app, "Start training")


def test_a_live_option_is_in_the_formula_before_the_training_has_taken_it_over(
    open_page: Open, shared: RunManager
) -> None:
    run = shared.start(from_flat(QUICK), pace=0.5)
    wait(lambda: shared.status(run).state == "training")
    shared.pause(run)
    wait(lambda: shared.status(run).state == "paused")
    app = open_page("distill", run=run)
    slider = next(slider for slider in app.slider if slider.label.startswith("Teacher weight"))
    assert slider.value == 0.9
    slider.set_value(0.3).run()
    assert "0.7" in app.latex[0].value
    assert "0.3" in app.latex[0].value
    assert not any(event.option == "alpha" for _, event in shared.store.iter_events(run) if isinstance(event, Adjusted))


@pytest.mark.slow
def test_a_stopped_run_can_be_resumed(open_page: Open, shared: RunManager) -> None:
    run = shared.start(from_flat(QUICK), pace=0.3)
    time.sleep(0.3)
    shared.stop(run)
    while shared.status(run).is_active:
        time.sleep(0.05)
    app = open_page("distill", run=run)
    assert "stopped" in app.info[0].value
    button(app, "Resume").click().run()
    shared.set_pace(run, 0)
    finish(shared, 1)


def test_a_failed_run_shows_the_part_of_the_loss_and_the_step(
    open_page: Open, shared: RunManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = from_flat({**QUICK, "learning_rate": "1", "optimiser": "sgd"})
    original = type(config.method).parts

    def broken(self: object, inputs: object) -> list:
        label, soft = original(self, inputs)
        return [replace(label, value=label.value * float("nan")), soft]

    monkeypatch.setattr(type(config.method), "vectorized_options", frozenset())
    monkeypatch.setattr(type(config.method), "parts", broken)
    run = shared.start(config)
    while shared.status(run).is_active:
        time.sleep(0.05)
    app = open_page("distill", run=run)
    assert all(text in app.error[0].value for text in ("CE", "student", "step 1", "kept"))
    assert shared.store.run(run).test["student"]  # it was evaluated as it was
    assert not any(word in texts(app) for word in ("One seed cannot", "confidence interval", "points, or"))
    assert not any((button.key or "") == "luck" for button in app.button)


def run_to_end(shared: RunManager, **flat: str) -> str:
    run = shared.start(from_flat({**QUICK, **flat}))
    while shared.status(run).is_active:
        time.sleep(0.02)
    return run


def test_an_older_run_of_the_same_configuration_does_not_count_as_changed(open_page: Open, shared: RunManager) -> None:
    first, _ = run_to_end(shared), run_to_end(shared)
    app = open_page("distill", run=first)
    assert "were changed during training" not in texts(app)
    assert button(app, "Repeat with 4 more seeds")


@pytest.mark.slow
def test_a_stopped_run_shows_its_own_numbers_and_not_those_of_its_family(open_page: Open, shared: RunManager) -> None:
    for seed in "012":
        run_to_end(shared, seed=seed)
    run = shared.start(from_flat(QUICK), pace=0.5)
    time.sleep(0.6)
    shared.stop(run)
    while shared.status(run).is_active:
        time.sleep(0.02)
    text = texts(open_page("distill", run=run))
    assert "over 3 seeds" not in text
    assert "This run was stopped." in text


def test_the_settings_survive_a_visit_to_another_page(open_page: Open) -> None:
    app = open_page("distill")
    app.selectbox(key="set dataset").select("blobs").run()
    app.query_params.clear()  # as a link of the menu does
    app.query_params["autoplay"] = "0"
    app.switch_page("pages/start.py").run()
    app.switch_page("pages/distill.py").run()
    assert app.selectbox(key="set dataset").value == "blobs"


def test_a_run_whose_method_is_not_installed_shows_an_error_and_the_form_still_works(
    open_page: Open, shared: RunManager
) -> None:
    run = run_to_end(shared)
    with sqlite3.connect(shared.folder / "distillery.sqlite") as db:
        db.execute("UPDATE runs SET config = replace(config, 'soft_targets', 'forgotten')")
    db.close()
    assert "not installed" in open_page("distill", run=run).error[0].value
    assert button(open_page("distill"), "Start training")


def points_of(shared: RunManager, run: str, key: str) -> list[float]:
    return [y for frame in run_frames(run).curves if frame.get("series") == key for y in frame["y"]]


def test_raw_and_weighted_loss_parts_are_curves_and_the_weighted_ones_sum_to_the_loss(shared: RunManager) -> None:
    run = run_to_end(shared, method="hints", soft_weight="0.5")
    series = {one["key"]: one for one in run_frames(run).series if one["panel"] == "loss"}
    raw = [key for key, one in series.items() if one.get("measure") == "raw"]
    weighted = [points_of(shared, run, key) for key, one in series.items() if one.get("measure") == "weighted"]
    assert raw == ["student CE", "student T²·KL", "student hints"]
    sums = [sum(values) for values in zip(*weighted, strict=True)]
    assert sums == pytest.approx(points_of(shared, run, "student loss"), rel=1e-3)
    assert points_of(shared, run, "student hints, weighted") == pytest.approx(
        [100 * value for value in points_of(shared, run, "student hints")], rel=1e-3
    )
    assert series["student hints"]["dash"] == series["student hints, weighted"]["dash"]
    assert series["student hints"]["dash"] != series["student T²·KL"]["dash"]


def test_a_loss_part_of_weight_0_has_no_weighted_curve_until_its_weight_changes(shared: RunManager) -> None:
    config = from_flat({**QUICK, "method": "label_smoothing"})
    changes = [Adjusted("students", 2, "label_weight", 0.0, 1.0), Adjusted("students", 3, "label_weight", 1.0, 0.0)]
    shared.store.add("a", config, "completed")
    shared.store.append("a", 1, [(0.0, event) for event in Trainer(config, adjustments=changes)])
    losses = points_of(shared, "a", "student loss")
    weighted = points_of(shared, "a", "student CE, weighted")
    assert len(points_of(shared, "a", "student CE")) == len(losses)
    assert 0 < len(weighted) == len(losses) - 2
    assert weighted[0] > 0
    assert set(weighted[1:]) == {0.0}


def test_a_learned_temperature_has_a_panel_of_its_own(open_page: Open, shared: RunManager) -> None:
    run = run_to_end(shared, method="curriculum_temperature")
    (learned,) = [one for one in run_frames(run).series if one["panel"] == "learned"]
    assert learned["name"] == "T"
    assert "student T, weighted" not in {one["key"] for one in run_frames(run).series}
    assert "Curriculum temperature (CTKD), weight 0.9" in texts(open_page("distill", run=run))


@pytest.mark.parametrize(
    "settings", [{"method": "dkd", "alpha": "5"}, {"method": "virtual_teacher", "temperature": "90"}]
)
def test_the_temperature_page_works_for_methods_whose_alpha_or_temperature_differ_in_meaning(
    open_page: Open, shared: RunManager, settings: dict[str, str]
) -> None:
    run = run_to_end(shared, **settings, dataset="blobs")
    for page in ("temperature", "distill"):
        app = open_page(page, run=run)
        assert not app.error
