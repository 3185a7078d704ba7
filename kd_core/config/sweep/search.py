"""Search for the best values of some settings, from ranges and choices, by proposals that learn from earlier ones."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from kd_core.base.options import Option, as_text, shorten
from kd_core.config.comparison import DEFAULT_SEEDS
from kd_core.config.run import RunConfig
from kd_core.config.sweep import (
    ALL,
    GROUPS,
    Axis,
    check_names,
    default_values,
    expand_all,
    first_valid,
    parse_values,
    sweepable_options,
)

TRIALS, SEEDS, BATCH = 30, 3, 6
MAX_TRIALS, MAX_SEEDS, MAX_RUNS, MAX_DIMENSIONS = 500, 20, 2000, 12
MAX_COMBINATIONS = 300  # of classes that are looked through for a setting
NOTHING = (
    "There is nothing to search over. Give a setting a range, such as temperature=1..20, or several values, such as "
    "method=soft_targets,dkd."
)
SPAN = ".."
RANGE = re.compile(r"\s*[-+.\deE]+?\s*\.\.\s*[-+\d][-+.\deE]*\s*(:\s*\w*\s*)?")
LOGARITHMIC, LINEAR = "log", "linear"
WIDE = 16.0  # ratio of the ends of a range that is searched on a logarithmic scale unless it is said


@dataclass(frozen=True)
class Dimension:
    """Setting that is searched over, by its flat name, with its range of numbers or its choices as text."""

    option: str
    choices: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    is_log: bool = False
    is_whole: bool = False

    @property
    def values(self) -> tuple[str, ...]:
        """The choices, or the range as one text."""
        return self.choices or (f"{as_text(self.low)} to {as_text(self.high)}",)

    @property
    def text(self) -> str:
        """The text form, as :func:`parse_dimension` reads it."""
        if self.choices:
            return ",".join(self.choices)
        return f"{as_text(self.low)}{SPAN}{as_text(self.high)}:{LOGARITHMIC if self.is_log else LINEAR}"

    def to_json(self) -> list[Any]:
        """Return name and definition as plain values."""
        if self.choices:
            return [self.option, {"choices": list(self.choices)}]
        return [self.option, {"low": self.low, "high": self.high, "log": self.is_log, "whole": self.is_whole}]

    @classmethod
    def from_json(cls, body: Sequence[Any]) -> Self:
        """Parse what :meth:`to_json` returned."""
        option, values = body
        if "choices" in values:
            return cls(option, tuple(values["choices"]))
        return cls(option, (), values["low"], values["high"], values["log"], values["whole"])


@dataclass(frozen=True)
class Search:
    """Trials of a search, each over the same seeds, and the runs that confirm the best of them.

    A setting that the classes of a trial do not have is left out of that trial, as are ``fixed`` settings.

    Attributes:
        base: Configuration before any change.
        dimensions: What is searched over.
        seeds: Seeds of every trial. Those of the confirmation are later ones.
        fixed: Settings, by flat name, that hold in every run that has such a setting.
        trials: How many at most.
        batch: Trials that are proposed together and trained side by side where they can be.
        patience: Trials without a better one after which the search ends; 0 for none.
        confirmations: Seeds with which the best trial is trained again.

    Raises:
        ValueError: for too many or repeated settings, empty ranges, and values that no run can have.
    """

    base: RunConfig
    dimensions: tuple[Dimension, ...]
    seeds: tuple[int, ...]
    fixed: tuple[tuple[str, str], ...] = ()
    trials: int = TRIALS
    batch: int = BATCH
    patience: int = 0
    confirmations: int = DEFAULT_SEEDS

    def __post_init__(self) -> None:
        if not self.dimensions:
            raise ValueError(NOTHING)
        check_names([dimension.option for dimension in self.dimensions], MAX_DIMENSIONS, "search")
        _check_count("trials", self.trials, 1, MAX_TRIALS)
        _check_count("patience", self.patience, 0, MAX_TRIALS)
        _check_count("batch", self.batch, 1, MAX_TRIALS)
        _check_count("seeds", len(self.seeds), 1, MAX_SEEDS)
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("A search needs each seed once.")
        if self.trials * len(self.seeds) > MAX_RUNS:
            raise ValueError(
                f"This search has {self.trials * len(self.seeds):,} runs; the maximum is {MAX_RUNS:,}. Choose fewer "
                "trials or seeds."
            )
        for dimension in self.dimensions:
            self._check(dimension)

    @property
    def count(self) -> int:
        """Number of runs at most, those of the confirmation included."""
        return self.trials * len(self.seeds) + len(self.confirmation_seeds)

    @property
    def confirmation_seeds(self) -> tuple[int, ...]:
        """Seeds that no trial has."""
        first = max(self.seeds) + 1
        return tuple(range(first, first + self.confirmations))

    @property
    def axes(self) -> tuple[Dimension, ...]:
        """What is searched over, under the name that a sweep has for it."""
        return self.dimensions

    def config(self, values: Mapping[str, str]) -> RunConfig:
        """Return the configuration of a trial, with the seed of the base. Raises ValueError for an invalid one."""
        return self.base.with_flat(dict(self.fixed), **values)

    def largest_configs(self) -> list[RunConfig]:
        """Return the valid combinations of classes, with the upper ends of all ranges."""
        ends = {each.option: as_text(each.high) for each in self.dimensions if not each.choices}
        return [config.with_flat(ends) for config in _class_configs(self.base, dict(self.fixed), self.classes)]

    def values_of(self, config: RunConfig) -> dict[str, str]:
        """Return the settings of a trial that are searched over, without those that it does not have."""
        flat = config.flat()
        return {each.option: flat[each.option] for each in self.dimensions if each.option in flat}

    @property
    def classes(self) -> tuple[Dimension, ...]:
        """The classes that are searched over, which decide what other settings there are."""
        return tuple(dimension for dimension in self.dimensions if dimension.option in GROUPS)

    def to_json(self) -> str:
        """Return the canonical JSON text, which has the parts of a sweep and those of a search."""
        body = {
            "base": json.loads(self.base.to_json()),
            "axes": [dimension.to_json() for dimension in self.dimensions],
            "seeds": list(self.seeds),
            "fixed": dict(self.fixed),
            "search": {
                "trials": self.trials,
                "batch": self.batch,
                "patience": self.patience,
                "confirmations": self.confirmations,
            },
        }
        return json.dumps(body, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Parse what :meth:`to_json` returned. Raises ValueError."""
        try:
            body: Mapping[str, Any] = json.loads(text)
            base = RunConfig.from_json(json.dumps(body["base"]))
            dimensions = tuple(Dimension.from_json(axis) for axis in body["axes"])
            return cls(base, dimensions, tuple(body["seeds"]), tuple(body["fixed"].items()), **body["search"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"This search lacks a part or has an unknown one: {error}.") from error

    def _check(self, dimension: Dimension) -> None:
        """Raise ValueError unless a combination of classes has the setting and allows the ends of its range."""
        if dimension.choices and len(set(dimension.choices)) < len(dimension.choices):
            raise ValueError(f"{dimension.option}: a value is given twice. Remove one of them.")
        if dimension.option in GROUPS:
            return
        error: ValueError | None = None
        ends = dimension.choices or tuple(map(as_text, (dimension.low, dimension.high)))
        for config in _class_configs(self.base, dict(self.fixed), self.classes):
            if dimension.option in config.flat():
                try:
                    for value in ends:
                        config.with_flat(**{dimension.option: value})
                    return
                except ValueError as refused:
                    error = error or refused
        if error is None:
            self.base.with_flat(**{dimension.option: ends[0]})  # raises with the similar names
        raise error or ValueError(f"{dimension.option}: no run of this search has such a setting.")


def _class_configs(base: RunConfig, fixed: Mapping[str, str], classes: Sequence[Dimension]) -> Iterator[RunConfig]:
    """Yield a configuration of each valid combination of classes."""
    names = [dimension.option for dimension in classes]
    combinations = itertools.product(*(dimension.choices for dimension in classes))
    for values in itertools.islice(combinations, MAX_COMBINATIONS):
        with contextlib.suppress(ValueError):
            yield base.with_flat(fixed, **dict(zip(names, values, strict=True)))


def is_range(text: str) -> bool:
    """Return whether a text has the form of a range of numbers, such as "1..20"."""
    return RANGE.fullmatch(text) is not None


def is_search(text: str) -> bool:
    """Return whether a stored sweep, as JSON, is a search."""
    return "search" in json.loads(text)


def plan_search(
    start: RunConfig,
    varied: Mapping[str, str],
    fixed: Mapping[str, str],
    seeds: Sequence[int],
    **limits: int,
) -> tuple[Search, list[str]]:
    """Return the search over some settings, and a sentence for each class that was left out.

    Args:
        start: Configuration before any change.
        varied: Ranges and choices as text, such as "1..20", "0.001..0.1:log" or "adam,sgd"; "all" alone stands for
            every class that applies.
        fixed: Settings that hold in every run that has such a setting; one that no run has is refused.
        seeds: Seeds of each trial.
        limits: Numbers of trials, of trials in a batch, of patience and of confirmations.

    Raises:
        ValueError: for settings that cannot be searched over.
    """
    if not varied:
        raise ValueError(NOTHING)
    check_names(list(varied), MAX_DIMENSIONS, "search")
    axes = tuple(Axis(name, parse_values(text)) for name, text in varied.items() if name in GROUPS)
    base = first_valid(start, axes, fixed)
    axes, left_out = expand_all(base, axes, fixed)
    classes = {axis.option: Dimension(axis.option, axis.values) for axis in axes}
    configs = [*_class_configs(base, dict(fixed), tuple(classes.values()))]
    for dimension in classes.values():
        for key in dimension.choices:
            if not any(getattr(config, dimension.option).name == key for config in configs):
                base.with_flat(fixed, **{dimension.option: key})  # raises with the reason
    if unknown := {name: value for name, value in fixed.items() if all(name not in one.flat() for one in configs)}:
        base.with_flat(**unknown)  # raises with the similar names
    dimensions = []
    for name, text in varied.items():
        if name in classes:
            dimensions.append(classes[name])
            continue
        declared = (sweepable_options(config).get(name) for config in configs)
        option = next((option for option in declared if option is not None), None)
        if option is None:
            base.with_flat(**{name: text})  # raises with the similar names
            raise ValueError(f"{name} cannot be searched over.")
        dimensions.append(parse_dimension(name, text, option))
    return Search(base, tuple(dimensions), tuple(seeds), tuple(fixed.items()), **limits), left_out


def parse_dimension(name: str, text: str, option: Option) -> Dimension:
    """Return the dimension that a text such as "1..20" or "adam,sgd" stands for. Raises ValueError."""
    if SPAN not in text:
        values = parse_values(text)
        if not values:
            raise ValueError(f"{name}: give a range such as 1{SPAN}20, or values joined by commas.")
        return Dimension(name, tuple(as_text(option.check(name, value)) for value in values))
    if option.kind not in ("number", "whole"):
        raise ValueError(f"{name} = {shorten(text)}: only numbers have ranges; {option.allowed()}.")
    span, _, scale = text.partition(":")
    low, high = (option.check(name, end.strip()) for end in span.split(SPAN, 1))
    if not low < high:
        raise ValueError(f"{name} = {shorten(text)}: this range is empty. Write the lower end first.")
    if scale.strip() not in ("", LOGARITHMIC, LINEAR):
        raise ValueError(f'{name} = {shorten(text)}: the scale of a range is "{LOGARITHMIC}" or "{LINEAR}".')
    if scale.strip() == LOGARITHMIC and low <= 0:
        raise ValueError(f"{name} = {shorten(text)}: a logarithmic range begins above zero.")
    is_log = scale.strip() == LOGARITHMIC or (not scale.strip() and low > 0 and (option.log or high >= WIDE * low))
    return Dimension(name, (), float(low), float(high), is_log, option.kind == "whole")


def default_range(config: RunConfig, name: str) -> str:
    """Return a range or choices around the chosen value of a setting, as text. Raises ValueError for an unknown one."""
    options = sweepable_options(config)
    if name not in options:
        raise ValueError(f"{name} cannot be searched over. Choose one of {', '.join(options)}.")
    option = options[name]
    if name in GROUPS:
        return ALL
    if option.kind not in ("number", "whole"):
        return ",".join(default_values(config, name))
    value, low, high = float(config.flat()[name]), option.low, option.high
    if value > 0 and (option.log or high >= WIDE * value):
        low, high = max(low, value / 4), min(high, value * 4)
    elif high > 100 * option.step and value == 0:
        high = min(high, 25 * option.step)
    if option.kind == "whole":
        return f"{math.ceil(low)}{SPAN}{math.floor(high)}"
    return f"{low:.4g}{SPAN}{high:.4g}"


def _check_count(name: str, number: Any, least: int, most: int) -> None:
    if isinstance(number, bool) or not isinstance(number, int) or not least <= number <= most:
        raise ValueError(f"{name} = {number}: choose a whole number from {least} to {most}.")
