"""Tests of option declarations, their validation and their text form."""

import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd_core.base.options import Options, as_text, boolean, choice, integer, number, options_of, widths


@dataclass(frozen=True)
class Example(Options):
    fraction: float = number(0.5, 0.0, 1.0, "A fraction.")
    count: int = integer(3, 1, 10, "A count.")
    layers: tuple[int, ...] = widths((8,), 1, 64, "Layers.")
    kind: str = choice("a", ("a", "b"), "A kind.")
    is_on: bool = boolean(True, "On.")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("fraction", 1.5, "fraction = 1.5: choose a number from 0 to 1."),
        ("fraction", math.nan, "fraction = nan: choose a number from 0 to 1."),
        ("fraction", "much", 'fraction = "much": choose a number from 0 to 1.'),
        ("fraction", None, "fraction = None: choose a number from 0 to 1."),
        ("count", 2.5, "count = 2.5: choose a whole number from 1 to 10."),
        ("count", True, "count = True: choose a whole number from 1 to 10."),
        ("count", "1e999", 'count = "1e999": choose a whole number from 1 to 10.'),
        ("layers", "8-x", "layers = \"8-x\": choose whole numbers joined by '-', each from 1 to 64."),
        ("layers", [], "layers = []: choose whole numbers joined by '-', each from 1 to 64."),
        ("kind", "c", 'kind = "c": choose one of a, b.'),
        ("is_on", "maybe", 'is_on = "maybe": choose true or false.'),
    ],
)
def test_the_error_for_a_refused_value_has_its_name_value_and_range(name: str, value: object, sentence: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 (the whole sentence is compared)
        Example(**{name: value})
    assert str(error.value) == sentence


@given(
    st.floats(0, 1),
    st.integers(1, 10),
    st.lists(st.integers(1, 64), min_size=1, max_size=8),
    st.sampled_from("ab"),
    st.booleans(),
)
def test_values_survive_a_round_trip_through_text(
    fraction: float, count: int, layers: list[int], kind: str, is_on: bool
) -> None:
    example = Example(fraction, count, tuple(layers), kind, is_on)
    texts = {name: as_text(value) for name, value in example.values().items()}
    read = {name: option.check(name, texts[name]) for name, option in options_of(Example).items()}
    again = Example(**read)
    assert again.fraction == pytest.approx(fraction, rel=1e-9)
    assert (again.count, again.layers, again.kind, again.is_on) == (count, tuple(layers), kind, is_on)


def test_numbers_are_converted_to_the_declared_type() -> None:
    example = Example(fraction=1, count="4")  # type: ignore[arg-type]
    assert isinstance(example.fraction, float)
    assert example.count == 4


def test_a_copy_refuses_an_option_that_there_is_not_and_names_the_others() -> None:
    with pytest.raises(ValueError, match="Example has no option called bogus; its options: fraction, count, layers"):
        Example().with_values(count=4, bogus=1)
