"""A sweep: one configuration with some options varied, every combination of them over the same seeds."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from kd_core.base.options import Option, as_text, option_label, options_of
from kd_core.config.run import RunConfig

MAX_RUNS = 2000  # runs
DIMENSIONS = 2


@dataclass(frozen=True)
class Axis:
    """One option, by its flat name, and the values that it takes, in the order of the map."""

    option: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Sweep:
    """Raises ValueError for too many axes or runs, for values that are the same, and for settings that are refused."""

    base: RunConfig
    axes: tuple[Axis, ...] = ()
    seeds: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        if len(self.axes) > DIMENSIONS:
            raise ValueError(f"A sweep varies at most {DIMENSIONS} options; this one varies {len(self.axes)}.")
        if len({axis.option for axis in self.axes}) < len(self.axes):
            raise ValueError(f"{self.axes[0].option} is varied twice. Choose two different options.")
        if "seed" in {axis.option for axis in self.axes}:
            raise ValueError("The seed is no axis: say how many seeds each combination is trained with.")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError("A sweep needs at least one seed, and each seed once.")
        for axis in self.axes:
            if not axis.values:
                raise ValueError(f"{axis.option}: choose at least one value.")
            made = [_understood(self.base.with_flat(**{axis.option: value}), axis.option) for value in axis.values]
            twice = next((value for at, value in enumerate(axis.values) if made[at] in made[:at]), None)
            if twice is not None:
                raise ValueError(f"{axis.option}: {twice} is there twice. Leave one of them out.")
        if self.count > MAX_RUNS:
            raise ValueError(
                f"That makes {self.count:,} runs, and a sweep has at most {MAX_RUNS:,}. Choose fewer values."
            )

    @property
    def count(self) -> int:
        """Runs in all."""
        return len(self.cells) * len(self.seeds)

    @property
    def cells(self) -> list[dict[str, str]]:
        """What is varied in each cell of the map; the last axis changes fastest. One cell without axes."""
        values = itertools.product(*(axis.values for axis in self.axes))
        return [{axis.option: value for axis, value in zip(self.axes, own, strict=True)} for own in values]

    def configs(self) -> list[RunConfig]:
        """Every run, cell by cell, and within each by seed."""
        return [self.base.with_flat(**cell, seed=seed) for cell in self.cells for seed in self.seeds]

    def to_json(self) -> str:
        """Canonical."""
        axes = [[axis.option, list(axis.values)] for axis in self.axes]
        body = {"base": json.loads(self.base.to_json()), "axes": axes, "seeds": list(self.seeds)}
        return json.dumps(body, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Raises ValueError for a text that :meth:`to_json` would not write."""
        try:
            body: Mapping[str, Any] = json.loads(text)
            axes = tuple(Axis(option, tuple(values)) for option, values in body["axes"])
            return cls(RunConfig.from_json(json.dumps(body["base"])), axes, tuple(body["seeds"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"This sweep lacks or does not know {error}.") from error

    @classmethod
    def over_seeds(cls, base: RunConfig, seeds: Sequence[int]) -> Self:
        """The same run again and again, to see what is luck."""
        return cls(base, (), tuple(seeds))


def _understood(config: RunConfig, option: str) -> str:
    """The value of a flat setting, as the configuration understood it."""
    return config.flat()[option]


KINDS = ("number", "whole", "widths", "choice", "switch", "class")
VALUES = 5
PARTS = ("method", "labels", "dataset", "recipe", "student")  # what belongs to the teacher is trained once for all
PREFIXES = {"dataset": "dataset_", "student": "student_"}
CALLED = {"student": "Student’s"}


def sweepable_options(config: RunConfig) -> dict[str, Option]:
    """The options of method, data, recipe and student that can be an axis, by flat name; never the seed."""
    return {flat: option for flat, (_, option) in _declared(config).items()}


def titles(config: RunConfig) -> dict[str, str]:
    """What they are called on the screen, by flat name."""
    found = {}
    for part in PARTS:
        prefix = PREFIXES.get(part, "")
        for name, option in _of(config, part).items():
            found[prefix + name] = option_label(name, option, CALLED.get(part, ""))
    return found


def default_values(config: RunConfig, flat: str) -> tuple[str, ...]:
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


def parse_values(typed: str) -> tuple[str, ...]:
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
