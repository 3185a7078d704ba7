"""Tests of the options of the Temperature page."""

import pytest

from kd_core.base.options import as_text, options_of, parse_options
from pages.ui.temperature.settings import TemperatureOptions


@pytest.mark.parametrize("text", ["0", "-4", "1e9", "nan", "inf", "warm", ""])
def test_an_invalid_temperature_is_reported_with_its_range(text: str) -> None:
    values, errors = parse_options(TemperatureOptions, {"temperature": text})
    assert values == {}
    assert errors == [f'temperature = "{text}": choose a number from 0.25 to 64.']


@pytest.mark.parametrize(
    "text", ["2, cat, 1", "1, inf", "1e7, 0", "nan 2", "5", "", "1;2", "1,5 2,5", ",".join(["1"] * 1001)]
)
def test_invalid_logits_are_reported_shortly(text: str) -> None:
    _, errors = parse_options(TemperatureOptions, {"student_logits": text})
    assert len(errors) == 1
    assert "student_logits" in errors[0]
    assert len(errors[0]) < 200  # however long the text was


def test_logits_may_be_written_with_commas_or_spaces() -> None:
    options = TemperatureOptions(teacher_logits="1, −2.5, 3e-1", student_logits="0 0 1")
    assert options.typed_logits() == {"teacher": [1.0, -2.5, 0.3], "student": [0.0, 0.0, 1.0]}


def test_logits_of_unequal_length_are_reported_with_both_lengths() -> None:
    with pytest.raises(ValueError, match="teacher_logits has 3 numbers and student_logits 2"):
        TemperatureOptions(teacher_logits="1 2 3", student_logits="1 2").typed_logits()


def test_a_missing_class_is_reported_with_the_existing_ones() -> None:
    assert TemperatureOptions(of_class="7", first="cat", second="3").errors("0123456789", 500) == {
        "first": "first = cat: choose one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, or none."
    }


def test_typed_logits_have_classes_of_their_own() -> None:
    options = TemperatureOptions(
        source="logits", teacher_logits="1 2", student_logits="2 1", first="class 2", second="class 1", of_class="7"
    )
    assert options.errors("0123456789", 500) == {}
    assert set(options.with_values(first="7").errors("0123456789", 500)) == {"first"}


def test_half_a_pair_is_reported() -> None:
    assert set(TemperatureOptions(first="7").errors("0123456789", 500)) == {"first"}
    assert set(TemperatureOptions(answered="7").errors("0123456789", 500)) == {"answered"}


def test_a_missing_example_is_reported_with_the_range() -> None:
    assert TemperatureOptions(image=500).errors("01", 500) == {
        "image": "image = 500: choose a whole number from 0 to 499."
    }


def test_every_option_survives_its_text_form() -> None:
    options = TemperatureOptions(
        temperature=2.5, log=True, teacher_logits=(1.0, 2.0), drawing="AABB", of_class="3", epoch=7
    )
    texts = {name: as_text(value) for name, value in options.values().items()}
    assert TemperatureOptions(**parse_options(TemperatureOptions, texts)[0]) == options


def test_every_option_has_a_help_text() -> None:
    assert all(option.help.endswith(".") for option in options_of(TemperatureOptions).values())
