"""What a sweep can vary: the options of a configuration that make an axis, and values that are worth a first look."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from kd_core.base.options import Option, as_text, in_words, options_of
from kd_core.config import RunConfig

KINDS = ("number", "whole", "widths", "choice", "switch", "class")
VALUES = 5
PARTS = ("method", "labels", "dataset", "recipe", "student")  # what belongs to the teacher is trained once for all
PREFIXES = {"dataset": "dataset_", "student": "student_"}
CALLED = {"student": "Student’s"}


def offered(config: RunConfig) -> dict[str, Option]:
    """The options of method, data, recipe and student that can be an axis, by flat name; never the seed."""
    return {flat: option for flat, (_, option) in _declared(config).items()}


def titles(config: RunConfig) -> dict[str, str]:
    """What they are called on the screen, by flat name."""
    found = {}
    for part in PARTS:
        prefix = PREFIXES.get(part, "")
        for name, option in _of(config, part).items():
            found[prefix + name] = in_words(name, option, CALLED.get(part, ""))
    return found


def usual(config: RunConfig, flat: str) -> tuple[str, ...]:
    """Values of an option for a first look around what is chosen, as text.

    All of a choice. Where there are powers to explore, a quarter, half, twice and four times the chosen value; else
    five values spread evenly over the range, none of them at its ends. Raises ValueError for an option that is no axis.
    """
    if flat not in (declared := _declared(config)):
        raise ValueError(f"{flat} cannot be varied. Choose one of {', '.join(declared)}.")
    value, option = declared[flat]
    if option.kind == "choice":
        return option.choices
    if option.kind == "switch":
        return ("false", "true")
    if option.kind == "class":
        return (str(value),)
    if option.kind == "widths":
        scaled = [[_clipped(option, width * factor) for width in value] for factor in (0.25, 0.5, 1, 2)]
        return tuple(dict.fromkeys("-".join(f"{width:.0f}" for width in widths) for widths in scaled))
    return tuple(dict.fromkeys(as_text(option.check(flat, number)) for number in _numbers(option, float(value))))


def is_logarithmic(values: tuple[float, ...]) -> bool:
    """Whether a chart of something over these numbers is better read in powers."""
    return bool(values) and min(values) > 0 and max(values) >= 8 * min(values)


def split(typed: str) -> tuple[str, ...]:
    """The values of a list as it was typed, with commas or semicolons between them."""
    return tuple(part.strip() for part in typed.replace(";", ",").split(",") if part.strip())


def _numbers(option: Option, value: float) -> list[float]:
    low, high = option.low, option.high
    if value > 0 and (option.log or high >= 16 * value):
        found = [value * factor for factor in (0.25, 0.5, 1, 2, 4)]
    elif value == 0 and high > 100 * option.step:  # nothing, and powers of a small amount
        least = 25 * option.step if high >= 1e6 else option.step
        found = [0.0, *(least * 2**power for power in range(VALUES - 1))]
    else:
        spread = [low + (high - low) * (2 * number + 1) / (2 * VALUES) for number in range(VALUES)]
        found = [round(round(number / option.step) * option.step, 10) for number in spread]
    whole = [round(number) if option.kind == "whole" else float(f"{number:.6g}") for number in found]
    return [number for number in whole if low <= number <= high]


def _clipped(option: Option, number: float) -> int:
    return math.floor(min(max(number, option.low), option.high))


def _of(config: RunConfig, part: str) -> Mapping[str, Option]:
    declared = options_of(type(getattr(config, part)))
    return {name: option for name, option in declared.items() if option.kind in KINDS}


def _declared(config: RunConfig) -> dict[str, tuple[Any, Option]]:
    """(chosen value, declaration) by flat name."""
    return {
        PREFIXES.get(part, "") + name: (getattr(getattr(config, part), name), option)
        for part in PARTS
        for name, option in _of(config, part).items()
    }
