import pytest

from kd_core.base.options import as_text, options_of, parse_options
from pages.ui.temperature.settings import TemperatureOptions


@pytest.mark.parametrize("text", ["0", "-4", "1e9", "nan", "inf", "warm", ""])
def test_a_temperature_that_is_none_is_refused_with_the_range(text: str) -> None:
    values, refused = parse_options(TemperatureOptions, {"temperature": text})
    assert values == {}
    assert refused == [f'temperature = "{text}": choose a number from 0.25 to 64.']


@pytest.mark.parametrize(
    "text", ["2, cat, 1", "1, inf", "1e7, 0", "nan 2", "5", "", "1;2", "1,5 2,5", ",".join(["1"] * 1001)]
)
def test_logits_that_are_none_are_refused(text: str) -> None:
    _, refused = parse_options(TemperatureOptions, {"student_logits": text})
    assert len(refused) == 1
    assert refused[0].endswith("numbers up to a million in size, with commas or spaces between them.")
    assert len(refused[0]) < 200  # however long the text was


def test_logits_may_be_written_with_commas_or_spaces() -> None:
    lens = TemperatureOptions(teacher_logits="1, −2.5, 3e-1", student_logits="0 0 1")
    assert lens.typed() == {"teacher": [1.0, -2.5, 0.3], "student": [0.0, 0.0, 1.0]}


def test_logits_of_unequal_length_are_refused_with_both_lengths() -> None:
    with pytest.raises(ValueError, match="teacher_logits has 3 numbers and student_logits 2"):
        TemperatureOptions(teacher_logits="1 2 3", student_logits="1 2").typed()


def test_a_class_that_does_not_exist_is_named() -> None:
    assert TemperatureOptions(of_class="7", first="cat", second="3").fit("0123456789", 500) == {
        "first": "first = cat: choose one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, or none."
    }


def test_the_classes_of_typed_logits_are_their_own() -> None:
    lens = TemperatureOptions(
        source="logits", teacher_logits="1 2", student_logits="2 1", first="class 2", second="class 1", of_class="7"
    )
    assert lens.fit("0123456789", 500) == {}
    assert set(lens.with_values(first="7").fit("0123456789", 500)) == {"first"}


def test_half_a_pair_is_named() -> None:
    assert set(TemperatureOptions(first="7").fit("0123456789", 500)) == {"first"}
    assert set(TemperatureOptions(answered="7").fit("0123456789", 500)) == {"answered"}


def test_an_example_that_does_not_exist_is_named() -> None:
    assert TemperatureOptions(image=500).fit("01", 500) == {
        "image": "image = 500: choose a whole number from 0 to 499."
    }


def test_every_setting_survives_the_address() -> None:
    lens = TemperatureOptions(
        temperature=2.5, log=True, teacher_logits=(1.0, 2.0), drawing="AABB", of_class="3", epoch=7
    )
    texts = {name: as_text(value) for name, value in lens.values().items()}
    assert TemperatureOptions(**parse_options(TemperatureOptions, texts)[0]) == lens


def test_every_setting_says_what_it_is() -> None:
    assert all(option.help.endswith(".") for option in options_of(TemperatureOptions).values())
