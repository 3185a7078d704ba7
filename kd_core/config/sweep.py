"""Sweep of up to two options of a configuration, each combination over the same seeds."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from kd_core.base.options import Option, as_text, option_label, options_of
from kd_core.config.run import RunConfig

MAX_RUNS, MAX_AXES = 2000, 2


@dataclass(frozen=True)
class Axis:
    """One option by its flat name, and its values as text in the order of the heat map."""

    option: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Sweep:
    """Runs of every combination of values and seeds.

    Raises ValueError for too many axes or runs, repeated values, and settings that are invalid.
    """

    base: RunConfig
    axes: tuple[Axis, ...] = ()
    seeds: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        if len(self.axes) > MAX_AXES:
            raise ValueError(f"A sweep varies at most {MAX_AXES} options; this one varies {len(self.axes)}.")
        if len({axis.option for axis in self.axes}) < len(self.axes):
            raise ValueError(f"{self.axes[0].option} is varied twice. Choose two different options.")
        if "seed" in {axis.option for axis in self.axes}:
            raise ValueError("The seed cannot be an axis. Choose the number of seeds of each combination instead.")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError("A sweep needs at least one seed, and each seed once.")
        for axis in self.axes:
            if not axis.values:
                raise ValueError(f"{axis.option}: choose at least one value.")
            parsed = [self.base.with_flat(**{axis.option: value}).flat()[axis.option] for value in axis.values]
            for position, value in enumerate(axis.values):
                if parsed[position] in parsed[:position]:
                    raise ValueError(f"{axis.option}: {value} is given twice. Remove one of them.")
        if self.count > MAX_RUNS:
            raise ValueError(
                f"This sweep has {self.count:,} runs; the maximum is {MAX_RUNS:,}. Choose fewer values or seeds."
            )

    @property
    def count(self) -> int:
        """Number of runs."""
        return len(self.cells) * len(self.seeds)

    @property
    def cells(self) -> list[dict[str, str]]:
        """Settings of each cell of the heat map, the last axis changing fastest; one cell without axes."""
        names = [axis.option for axis in self.axes]
        combinations = itertools.product(*(axis.values for axis in self.axes))
        return [dict(zip(names, values, strict=True)) for values in combinations]

    def configs(self) -> list[RunConfig]:
        """Return every run, by cell and within a cell by seed."""
        return [self.base.with_flat(**cell, seed=seed) for cell in self.cells for seed in self.seeds]

    def to_json(self) -> str:
        """Return the canonical JSON text."""
        axes = [[axis.option, list(axis.values)] for axis in self.axes]
        body = {"base": json.loads(self.base.to_json()), "axes": axes, "seeds": list(self.seeds)}
        return json.dumps(body, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Parse what :meth:`to_json` returned. Raises ValueError."""
        try:
            body: Mapping[str, Any] = json.loads(text)
            axes = tuple(Axis(option, tuple(values)) for option, values in body["axes"])
            return cls(RunConfig.from_json(json.dumps(body["base"])), axes, tuple(body["seeds"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"This sweep lacks a part or has an unknown option: {error}.") from error

    @classmethod
    def over_seeds(cls, base: RunConfig, seeds: Sequence[int]) -> Self:
        """Return a repetition of one run with several seeds, without axes."""
        return cls(base, (), tuple(seeds))


# Not the parts of the teacher, so that it is trained once for all runs of a sweep.
SWEEPABLE_PARTS = ("method", "labels", "dataset", "recipe", "student")
SWEEPABLE_KINDS = ("number", "whole", "widths", "choice", "switch", "class")
PREFIXES = {"dataset": "dataset_", "student": "student_"}  # of flat names
TITLE_PREFIXES = {"student": "Student’s"}
DEFAULT_COUNT = 5  # values of an axis


def sweepable_options(config: RunConfig) -> dict[str, Option]:
    """Return the options of method, data, recipe and student that can be an axis, by flat name."""
    return {flat: option for flat, (_, option) in _values_and_options(config).items()}


def titles(config: RunConfig) -> dict[str, str]:
    """Return the titles of these options by flat name."""
    return {
        PREFIXES.get(part, "") + name: option_label(name, option, TITLE_PREFIXES.get(part, ""))
        for part in SWEEPABLE_PARTS
        for name, option in _sweepable_options(config, part).items()
    }


def default_values(config: RunConfig, flat: str) -> tuple[str, ...]:
    """Return default values of an axis around the chosen value, as text.

    They are all choices of a choice; for an option over several powers of two a quarter, half, twice and four times
    the chosen value; else five values spread evenly over the range, without its ends. Raises ValueError for an option
    that cannot be an axis.
    """
    options = _values_and_options(config)
    if flat not in options:
        raise ValueError(f"{flat} cannot be varied. Choose one of {', '.join(options)}.")
    value, option = options[flat]
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
    """Return whether a chart over these numbers should have a logarithmic axis."""
    return bool(values) and min(values) > 0 and max(values) >= 8 * min(values)


def parse_values(text: str) -> tuple[str, ...]:
    """Split a list of values at commas and semicolons."""
    return tuple(part.strip() for part in text.replace(";", ",").split(",") if part.strip())


def _numbers(option: Option, value: float) -> list[float]:
    low, high = option.low, option.high
    if value > 0 and (option.log or high >= 16 * value):
        numbers = [value * factor for factor in (0.25, 0.5, 1, 2, 4)]
    elif value == 0 and high > 100 * option.step:  # 0, and powers of a small amount
        smallest = 25 * option.step if high >= 1e6 else option.step
        numbers = [0.0, *(smallest * 2**power for power in range(DEFAULT_COUNT - 1))]
    else:
        spread = [low + (high - low) * (2 * i + 1) / (2 * DEFAULT_COUNT) for i in range(DEFAULT_COUNT)]
        numbers = [round(round(number / option.step) * option.step, 10) for number in spread]
    rounded = [round(number) if option.kind == "whole" else float(f"{number:.6g}") for number in numbers]
    return [number for number in rounded if low <= number <= high]


def _clipped(option: Option, number: float) -> int:
    return math.floor(min(max(number, option.low), option.high))


def _sweepable_options(config: RunConfig, part: str) -> Mapping[str, Option]:
    options = options_of(type(getattr(config, part)))
    return {name: option for name, option in options.items() if option.kind in SWEEPABLE_KINDS}


def _values_and_options(config: RunConfig) -> dict[str, tuple[Any, Option]]:
    """Return (chosen value, declaration) by flat name."""
    return {
        PREFIXES.get(part, "") + name: (getattr(getattr(config, part), name), option)
        for part in SWEEPABLE_PARTS
        for name, option in _sweepable_options(config, part).items()
    }
