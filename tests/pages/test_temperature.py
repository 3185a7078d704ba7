"""Tests of the Temperature page without a browser."""

import base64
import io
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from kd_core.analysis.examples import thumbnails
from kd_core.config.run import RunConfig, from_flat
from kd_core.runs.manager import RunManager
from kd_core.tasks.classification import Classification
from pages.ui.run import run_picker
from pages.ui.temperature.instruments import Instruments
from pages.ui.temperature.settings import TemperatureOptions
from tools.testing.waiting import wait_for_end
from tools.testing.widgets import named

Open = Callable[..., AppTest]
QUICK = {"dataset": "moons", "epochs": "4", "teacher_epochs": "1"}


@pytest.fixture(autouse=True)
def no_automatic_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_picker, "_started", [])


def trained(shared: RunManager, config: RunConfig) -> str:
    run = shared.start(config)
    wait_for_end(shared, run, 60)
    return run


def texts(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.error, app.info, app.warning, app.subheader)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def test_the_first_visitor_of_a_fresh_server_starts_one_run_on_digits(open_page: Open, shared: RunManager) -> None:
    for _ in range(2):
        open_page("temperature", autoplay="1")
    configs = [run.config for run in shared.store.runs()]  # the start page starts other runs
    assert configs.count(from_flat({"dataset": "digits"})) == 1


def test_with_autoplay_0_nothing_is_trained_before_a_click(open_page: Open, shared: RunManager) -> None:
    app = open_page("temperature")
    assert "No run has been trained here yet." in texts(app)
    assert shared.store.runs() == []
    next(button for button in app.button if button.label == "Train one").click().run()
    assert len(shared.store.runs()) == 1


def figures(app: AppTest) -> list:
    """Return the browser components of the page, without those of the frame."""
    return [component for component in app.get("bidi_component") if component.key != "copy link"]


def test_a_finished_run_is_shown_with_all_its_figures(open_page: Open, shared: RunManager) -> None:
    app = open_page("temperature", run=trained(shared, from_flat(QUICK)))
    assert len(figures(app)) == 5  # gallery, softened outputs, slider, and text and figure of a chapter
    assert list(app.select_slider(key="epoch").options) == ["0", "1", "2", "3", "4"]
    assert app.select_slider(key="epoch").value == 4
    assert not app.error


@pytest.mark.parametrize(
    ("parameters", "title"),
    [
        ({}, "Why the loss has a factor T²"),
        ({"chapter": "calibration"}, "Calibration"),
        ({"diagonal": "false", "alpha": "0.5"}, "Dark knowledge: which classes the teacher confuses"),
        ({"smoothing": "0.2"}, "Sources of soft targets"),
        ({"chapter": "gradients", "smoothing": "0.2"}, "Why the loss has a factor T²"),
    ],
)
def test_a_link_opens_its_chapter_and_an_older_link_the_chapter_of_its_options(
    open_page: Open, shared: RunManager, parameters: dict[str, str], title: str
) -> None:
    app = open_page("temperature", run=trained(shared, from_flat(QUICK)), **parameters)
    assert [header.value for header in app.header] == [title]
    assert not app.error


def test_a_chosen_chapter_is_in_the_url_and_only_that_one_is_drawn(open_page: Open, shared: RunManager) -> None:
    app = open_page("temperature", run=trained(shared, from_flat(QUICK)), smoothing="0.2")
    app.segmented_control(key="chapter").set_value("gradients").run()
    assert app.query_params["chapter"] in ("gradients", ["gradients"])
    assert [header.value for header in app.header] == ["Why the loss has a factor T²"]
    assert len(figures(app)) == 5


def test_an_unknown_chapter_is_reported(open_page: Open, shared: RunManager) -> None:
    app = open_page("temperature", run=trained(shared, from_flat(QUICK)), chapter="magic")
    assert "choose one of gradients, calibration" in app.error[0].value.replace("\\", "")
    assert len(app.header) == 1


@pytest.mark.parametrize(("size", "has_picture"), [(thumbnails.THUMB, False), (64, True)])
def test_only_images_with_more_pixels_than_their_thumbnails_are_sent_in_full(size: int, has_picture: bool) -> None:
    images = torch.arange(3 * size * size).remainder(251).to(torch.uint8).reshape(1, 3, size, size).repeat(2, 1, 1, 1)
    images[1] = 7
    pictures = {"has_images": True, "shape": (3, size, size), "fill": 0.0, "task": Classification()}
    data = SimpleNamespace(**pictures, pixels=lambda inputs: inputs)
    replay = SimpleNamespace(data=data, visible_split="test", splits={"test": SimpleNamespace(inputs=images)})
    picture = Instruments(replay, None, TemperatureOptions()).large_picture(1)  # type: ignore[arg-type]
    assert (picture is not None) == has_picture
    if picture:
        with Image.open(io.BytesIO(base64.b64decode(picture["src"].split(",")[1]))) as image:
            assert image.size == (size, size)
            assert image.getpixel((0, 0)) == (7, 7, 7)


def test_the_url_names_the_epoch_unless_it_is_the_last(open_page: Open, shared: RunManager) -> None:
    app = open_page("temperature", run=trained(shared, from_flat(QUICK)))
    app.select_slider(key="epoch").set_value(2).run()
    assert app.query_params["epoch"] == ["2"] or app.query_params["epoch"] == "2"
    app.select_slider(key="epoch").set_value(4).run()
    assert "epoch" not in app.query_params


@pytest.mark.parametrize("value", ["0", "-1", "1e9", "nan", "warm"])
def test_an_invalid_temperature_is_reported_with_its_range(open_page: Open, shared: RunManager, value: str) -> None:
    app = open_page("temperature", run=trained(shared, from_flat(QUICK)), temperature=value)
    (error,) = app.error
    assert "choose a number from 0\\.25 to 64" in error.value
    assert [header.value for header in app.header] == ["Why the loss has a factor T²"]


def test_unknown_settings_and_classes_are_reported(open_page: Open, shared: RunManager) -> None:
    app = open_page("temperature", run=trained(shared, from_flat(QUICK)), heat="4", of_class="cat")
    (error,) = app.error
    assert "heat" in error.value
    assert "choose one of A, B" in error.value


def test_a_missing_run_is_reported_and_others_are_offered(open_page: Open, shared: RunManager) -> None:
    trained(shared, from_flat(QUICK))
    app = open_page("temperature", run="<b>gone</b>")
    assert "There is no run called" in app.error[0].value
    assert len(app.selectbox(key="specimen").options) == 1


def test_a_run_without_weights_can_be_trained_again(open_page: Open, shared: RunManager) -> None:
    shared.store.add("old", from_flat(QUICK), "completed")
    app = open_page("temperature", run="old")
    assert app.warning
    next(button for button in app.button if button.label == "Train again").click().run()
    assert sorted(run.config.to_json() for run in shared.store.runs()) == [from_flat(QUICK).to_json()] * 2


@pytest.mark.parametrize(
    ("teacher", "student", "message"),
    [
        ("1, cat", "1, 2", "numbers up to a million in size"),
        ("1, inf", "1, 2", "numbers up to a million in size"),
        ("1, 2, 3", "1, 2", "has 3 numbers and student_logits 2"),
    ],
)
def test_invalid_logits_are_reported_and_stay_in_the_boxes(
    open_page: Open, shared: RunManager, teacher: str, student: str, message: str
) -> None:
    run = trained(shared, from_flat(QUICK))
    app = open_page("temperature", run=run, source="logits", teacher_logits="5, 1", student_logits="1, 1")
    app.text_input(key="typed student_logits").set_value(student).run()
    app.text_input(key="typed teacher_logits").set_value(teacher).run()
    assert message in app.error[0].value.replace("\\", "")
    assert app.text_input(key="typed teacher_logits").value == teacher
    app.text_input(key="typed teacher_logits").set_value("3, 4").run()
    assert not app.error
    assert app.query_params["teacher_logits"] in ("3, 4", ["3, 4"])


def test_logits_of_unequal_length_in_a_link_are_reported(open_page: Open, shared: RunManager) -> None:
    app = open_page("temperature", run=trained(shared, from_flat(QUICK)), source="logits", teacher_logits="5, 1")
    assert "has 2 numbers and student_logits 3" in app.error[0].value.replace("\\", "")


def test_one_invalid_list_of_logits_resets_both(open_page: Open, shared: RunManager) -> None:
    run = trained(shared, from_flat(QUICK))
    app = open_page("temperature", run=run, source="logits", teacher_logits="1, inf", student_logits="1, 2")
    (error,) = app.error
    assert "teacher_logits" in error.value.replace("\\", "")


def test_two_runs_of_the_same_settings_have_different_names(open_page: Open, shared: RunManager) -> None:
    first, second = (trained(shared, from_flat(QUICK)) for _ in range(2))
    app = open_page("temperature", run=first)
    assert len(set(app.selectbox(key="specimen").options)) == 2
    app.select_slider(key="epoch").set_value(2).run()
    assert app.query_params["run"] in (first, [first])
    app.selectbox(key="specimen").set_value(second).run()
    assert app.query_params["run"] in (second, [second])


@pytest.mark.parametrize("drawing", ["1,2,3", "AABB", "<script>"])
def test_an_invalid_drawing_does_not_break_the_page(open_page: Open, shared: RunManager, drawing: str) -> None:
    app = open_page("temperature", run=trained(shared, from_flat(QUICK)), source="drawing", drawing=drawing)
    assert len(app.header) == 1


def test_a_run_interrupted_before_its_first_weights_can_be_resumed(open_page: Open, shared: RunManager) -> None:
    shared.store.add("half", from_flat(QUICK), "interrupted")
    app = open_page("temperature", run="half")
    assert named(app, "button", "proceed")


def test_an_error_about_typed_logits_disappears_with_the_boxes(open_page: Open, shared: RunManager) -> None:
    app = open_page("temperature", run=trained(shared, from_flat(QUICK)), source="logits")
    app.text_input(key="typed teacher_logits").set_value("1, cat").run()
    assert app.error
    app.query_params["source"] = "image"
    app.run()
    app.query_params["source"] = "logits"
    app.run()
    assert not app.error
    assert named(app, "text_input", "typed teacher_logits").value == "6, 3, -1"


def test_a_url_as_the_id_of_a_run_does_not_become_a_link(open_page: Open, shared: RunManager) -> None:
    app = open_page("temperature", run="https://evil.example/x")
    assert "://" not in app.error[0].value
