"""Run configurations in JSON and URL form, and the refusal of invalid settings."""

import json

import pytest

from kd_core.base.registry import find_plugin
from kd_core.config.run import RunConfig, differences, from_flat, read_flat


@pytest.mark.parametrize(
    "flat",
    [
        {},
        {"dataset": "moons"},
        {"dataset": "spirals", "dataset_arms": "3", "teacher": "mlp", "teacher_widths": "128-64", "seed": "7"},
        {"student": "cnn", "student_width": "8", "temperature": "2.5", "alpha": "0.35", "omitted": "3"},
        {"dataset": "moons", "student_widths": "3", "wrong": "0", "labelled": "0", "control": "false"},
    ],
)
def test_a_configuration_survives_json_and_the_url(flat: dict[str, str]) -> None:
    config = from_flat(flat)
    assert RunConfig.from_json(config.to_json()) == config
    assert from_flat(config.flat()) == config
    assert from_flat(config.differences()) == config


def test_a_link_holds_only_settings_that_differ_from_the_recommended_ones() -> None:
    chosen = {"dataset": "moons", "temperature": "2", "seed": "5"}
    assert from_flat(chosen).differences() == chosen


def test_an_invalid_setting_stays_in_the_link_as_it_was_chosen() -> None:
    settings = from_flat({"dataset": "moons", "student_widths": "3"}).flat()
    assert differences(settings | {"epochs": "many"}) == {"dataset": "moons", "student_widths": "3", "epochs": "many"}


def test_a_configuration_of_an_earlier_version_gets_defaults_for_new_options() -> None:
    body = json.loads(from_flat({}).to_json())
    del body["basics"], body["augmentation"], body["compute"], body["method"]["alpha"]
    text = json.dumps(body)
    assert RunConfig.from_json(text) == RunConfig.from_json_unchecked(text) == from_flat({})


@pytest.mark.parametrize(
    ("flat", "sentence"),
    [
        ({"temperature": "0"}, 'temperature = "0": choose a number from 0.5 to 20.'),
        ({"dataset": "mnits"}, 'dataset = "mnits": choose one of blobs, '),
        ({"labelled": "2000"}, "labelled = 2000: the training split has 1,000 images; choose a whole number from 0"),
        ({"omitted": "x"}, 'omitted = "x": choose none, 0, 1, 2'),
        ({"dataset": "moons", "student": "cnn"}, "student = cnn: a CNN needs images"),
        ({"student": "cnn", "student_width": "6"}, "student_width = 6: choose a multiple of 4."),
        ({"teacher_depth": "5"}, "teacher = cnn: a CNN halves the image 4 times"),
        ({"colour": "red"}, "colour: there is no such setting."),
        ({"student_activation": "relu6"}, 'student_activation = "relu6": choose one of relu'),
    ],
)
def test_a_refused_setting_is_named_and_the_others_stay(flat: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as refusal:
        from_flat(flat | {"seed": "9"})
    assert sentence in str(refusal.value)
    config, errors = read_flat(flat | {"seed": "9"})
    assert config.seed == 9
    assert len(errors) == 1


def test_every_refused_setting_is_reported_at_once() -> None:
    _, errors = read_flat({"temperature": "x", "alpha": "2", "epochs": "0"})
    assert len(errors) == 3


def test_a_data_set_without_recommended_settings_gets_networks_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    moons = find_plugin("datasets", "moons")
    monkeypatch.setattr(moons, "recommended", {})
    config, errors = read_flat({"dataset": "moons"})
    assert config.teacher.name == "mlp"
    assert len(errors) == 1  # the default teacher needs images


def test_an_unknown_model_is_replaced_by_the_recommended_one_with_its_options() -> None:
    config, _ = read_flat({"dataset": "moons", "teacher": "foo"})
    assert config.teacher.values()["widths"] == [64, 64]


@pytest.mark.parametrize("text", ["x", "[]", "3", '{"dataset": "moons"}', "{}"])
def test_what_is_no_configuration_in_json_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="no configuration in JSON") as caught:
        RunConfig.from_json(text)
    assert type(caught.value) is ValueError
