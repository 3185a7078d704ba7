"""Sweep of up to three settings of a configuration, each combination over the same seeds."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from kd_core.base.options import Option, as_text, option_label, options_of, shorten
from kd_core.base.registry import find_key, find_plugin, plugins, short_name
from kd_core.config.comparison import Comparison
from kd_core.config.run import OPTION_GROUPS, PLUGIN_FIELDS, RunConfig

MAX_RUNS, MAX_AXES = 2000, 3
ALL = "all"  # as the only value of an axis: every class that applies
GROUPS = {name: group for name, group, _ in PLUGIN_FIELDS}


@dataclass(frozen=True)
class Axis:
    """One setting by its flat name, and its values as text in the order of the heat map."""

    option: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Sweep:
    """Runs of every combination of values and seeds.

    ``fixed`` settings, by flat name, hold in every run that has such a setting; a combination with another method, say,
    may have others than ``base``.

    Raises ValueError for too many axes or runs, repeated values, and settings that are invalid.
    """

    base: RunConfig
    axes: tuple[Axis, ...] = ()
    seeds: tuple[int, ...] = (0,)
    fixed: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        check_names([axis.option for axis in self.axes])
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError("A sweep needs at least one seed, and each seed once.")
        for axis in self.axes:
            if not axis.values:
                raise ValueError(f"{axis.option}: choose at least one value.")
        first = {axis.option: axis.values[0] for axis in self.axes}
        for axis in self.axes:  # a combination beside the first one; the others are checked by configs()
            parsed = [self.config(first | {axis.option: value}).flat()[axis.option] for value in axis.values]
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
        return math.prod(len(axis.values) for axis in self.axes) * len(self.seeds)

    @property
    def cells(self) -> list[dict[str, str]]:
        """Settings of each cell of the heat map, the last axis changing fastest; one cell without axes."""
        names = [axis.option for axis in self.axes]
        combinations = itertools.product(*(axis.values for axis in self.axes))
        return [dict(zip(names, values, strict=True)) for values in combinations]

    def config(self, cell: Mapping[str, str]) -> RunConfig:
        """Return the configuration of a cell, with the seed of the base. Raises ValueError for an invalid one."""
        return self.base.with_flat(dict(self.fixed), **cell)

    def configs(self) -> list[RunConfig]:
        """Return every run, by cell and within a cell by seed. Raises ValueError for an invalid combination."""
        return [config.with_flat(seed=seed) for config in map(self.config, self.cells) for seed in self.seeds]

    def comparisons(self) -> list[Comparison]:
        """Return what is compared in each cell, which is up to the scheme."""
        schemes = [cell.get("scheme", self.base.scheme.name) for cell in self.cells]
        classes = {name: find_plugin("schemes", name) for name in set(schemes)}
        return [classes[name].comparison for name in schemes]  # type: ignore[attr-defined]

    def to_json(self) -> str:
        """Return the canonical JSON text."""
        axes = [[axis.option, list(axis.values)] for axis in self.axes]
        body = {"base": json.loads(self.base.to_json()), "axes": axes, "seeds": list(self.seeds)}
        if self.fixed:
            body["fixed"] = dict(self.fixed)
        return json.dumps(body, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Parse what :meth:`to_json` returned. Raises ValueError."""
        try:
            body: Mapping[str, Any] = json.loads(text)
            axes = tuple(Axis(option, tuple(values)) for option, values in body["axes"])
            base, fixed = RunConfig.from_json(json.dumps(body["base"])), tuple(body.get("fixed", {}).items())
            return cls(base, axes, tuple(body["seeds"]), fixed)
        except (KeyError, TypeError) as error:
            raise ValueError(f"This sweep lacks a part or has an unknown option: {error}.") from error

    @classmethod
    def over_seeds(cls, base: RunConfig, seeds: Sequence[int]) -> Self:
        """Return a repetition of one run with several seeds, without axes."""
        return cls(base, (), tuple(seeds))

    @classmethod
    def over_methods(cls, base: RunConfig, seeds: Sequence[int]) -> Self:
        """Return the sweep over every method that applies. Raises ValueError if none does."""
        axes, _ = expand_all(base, (Axis("method", (ALL,)),))
        return cls(base, axes, tuple(seeds))


def plan_sweep(
    start: RunConfig, varied: Mapping[str, Sequence[str]], fixed: Mapping[str, str], seeds: Sequence[int]
) -> tuple[Sweep, list[str]]:
    """Return the sweep over some settings, and a sentence for each class that was left out.

    Args:
        start: Configuration before any change.
        varied: Values as text by flat name; "all" alone stands for every class that applies.
        fixed: Settings that hold in every run that has such a setting; one that no run has is refused.
        seeds: Seeds of each combination.

    Raises:
        ValueError: for an invalid combination, unless it is due to an "all".
    """
    check_names(list(varied))
    axes = tuple(Axis(name, tuple(values)) for name, values in varied.items())
    base = first_valid(start, axes, fixed)
    axes, left_out = expand_all(base, axes, fixed)
    is_needed = any(axis.option in GROUPS for axis in axes)  # otherwise the base has all of them
    sweep = Sweep(base, axes, tuple(seeds), tuple(fixed.items()) if is_needed else ())
    names = {name for cell in sweep.cells for name in sweep.config(cell).flat()}
    if unknown := {name: value for name, value in fixed.items() if name not in names}:
        base.with_flat(**unknown)  # raises with the similar names
    return sweep, left_out


def expand_all(
    base: RunConfig, axes: Sequence[Axis], fixed: Mapping[str, str] | None = None
) -> tuple[tuple[Axis, ...], list[str]]:
    """Return the axes with the keys of classes, all that apply for "all", and a sentence for each that was left out.

    A class applies if its combinations with the values of all other axes are valid. Raises ValueError if none does.
    """
    expanded, left_out = [Axis(axis.option, _keys(axis.option, axis.values)) for axis in axes], list[str]()
    for position, axis in enumerate(expanded):
        if not _is_all(axis):
            continue
        others = [other for other in expanded if other is not axis and not _is_all(other)]
        names, values = [other.option for other in others], itertools.product(*(other.values for other in others))
        combinations = [dict(zip(names, combination, strict=True)) for combination in values]
        reasons = {
            key: _refusal(base, fixed or {}, [{**combination, axis.option: key} for combination in combinations])
            for key in plugins(GROUPS[axis.option])
        }
        applicable = tuple(key for key, reason in reasons.items() if not reason)
        if not applicable:
            raise ValueError(f"{axis.option} = {ALL}: none applies. {next(iter(reasons.values()))}")
        left_out += [
            f"{key} is left out: {reason.removeprefix(f'{axis.option} = {key}: ')}"
            for key, reason in reasons.items()
            if reason
        ]
        expanded[position] = Axis(axis.option, applicable)
    return tuple(expanded), left_out


def check_names(names: Sequence[str], most: int = MAX_AXES, what: str = "sweep") -> None:
    """Raise ValueError for settings that cannot be varied together, in a sweep or a search."""
    if len(names) > most:
        raise ValueError(f"A {what} varies at most {most} settings; this one varies {len(names)}.")
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise ValueError(f"{twice} is varied twice. Choose different options.")
    if "seed" in names:
        raise ValueError("The seed cannot be an axis. Choose the number of seeds of each combination instead.")
    if "device" in names:
        raise ValueError(f"The device cannot be an axis: all runs of a {what} are trained on one device.")


def _is_all(axis: Axis) -> bool:
    return axis.values == (ALL,) and axis.option in GROUPS


def _keys(name: str, values: Sequence[str]) -> tuple[str, ...]:
    """Return classes by their keys, whichever of their names was given. Raises ValueError for an unknown one."""
    if name not in GROUPS or tuple(values) == (ALL,):
        return tuple(values)
    return tuple(find_key(GROUPS[name], value, name) for value in values)


def first_valid(start: RunConfig, axes: Sequence[Axis], fixed: Mapping[str, str]) -> RunConfig:
    """Return the first valid combination, or that with the first class of each "all" that makes one.

    Raises ValueError if there is none.
    """
    choices = [tuple(plugins(GROUPS[axis.option])) if _is_all(axis) else axis.values[:1] for axis in axes]
    current = {axis.option: getattr(start, axis.option).name for axis in axes if _is_all(axis)}
    first = {axis.option: values[0] for axis, values in zip(axes, choices, strict=True) if values}
    try:
        return start.with_flat(fixed, **first | current)
    except ValueError:
        names = [axis.option for axis in axes]
        for values in itertools.product(*choices):
            with contextlib.suppress(ValueError):
                return start.with_flat(fixed, **dict(zip(names, values, strict=True)))
        raise


def _refusal(base: RunConfig, fixed: Mapping[str, str], combinations: Sequence[Mapping[str, str]]) -> str:
    """Return why the first invalid combination is refused, as one line; empty if all are valid."""
    for combination in combinations:
        try:
            base.with_flat(fixed, **combination)
        except ValueError as error:
            return str(error).splitlines()[0]
    return ""


SWEEPABLE_KINDS = ("number", "whole", "widths", "choice", "switch", "class", "text")
NOT_SWEEPABLE = ("seed", "device")
PREFIXES = {name: prefix for name, _, prefix in (*PLUGIN_FIELDS, *OPTION_GROUPS)}  # of flat names
TITLE_PREFIXES = {"student": "Student’s", "teacher": "Teacher’s", "teacher_recipe": "Teacher’s"}
TITLES = {"dataset": "Data", "scheme": "Distillation scheme"}  # of classes, if not the name
DEFAULT_COUNT = 5  # values of an axis


def sweepable_options(config: RunConfig) -> dict[str, Option]:
    """Return what can be an axis by flat name, which are the parts that are chosen by name, and all options."""
    return {flat: option for flat, (_, option) in _values_and_options(config).items()}


@functools.lru_cache(maxsize=32)
def titles(config: RunConfig) -> Mapping[str, str]:
    """Return the titles of these options by flat name."""
    return {
        flat: option.label if flat in GROUPS else option_label(name, option, TITLE_PREFIXES.get(part, ""))
        for flat, (part, name, option) in _sweepable(config).items()
    }


def value_title(option: str, value: str) -> str:
    """Return a value of an axis as on the screen, a class by its title."""
    classes = plugins(GROUPS[option]) if option in GROUPS else {}
    return classes[value].title if value in classes else short_name(value)


def default_values(config: RunConfig, flat: str) -> tuple[str, ...]:
    """Return default values of an axis around the chosen value, as text.

    They are all classes that apply, and all choices of a choice; for an option over several powers of two a quarter,
    half, twice and four times the chosen value; else five values spread evenly over the range, without its ends. Raises
    ValueError for an option that cannot be an axis.
    """
    options = _values_and_options(config)
    if flat not in options:
        raise ValueError(f"{flat} cannot be varied. Choose one of {', '.join(options)}.")
    value, option = options[flat]
    if flat in GROUPS:
        return (ALL,)
    if option.kind == "choice":
        return option.choices
    if option.kind == "switch":
        return ("false", "true")
    if option.kind in ("class", "text"):
        return (str(value),)
    if option.kind == "widths":
        scaled = [[_clipped(option, width * factor) for width in value] for factor in (0.25, 0.5, 1, 2)]
        return tuple(dict.fromkeys("-".join(f"{width:.0f}" for width in widths) for widths in scaled))
    return tuple(dict.fromkeys(as_text(option.check(flat, number)) for number in _numbers(option, float(value))))


def is_logarithmic(values: tuple[float, ...]) -> bool:
    """Return whether a chart over these numbers should have a logarithmic axis."""
    return bool(values) and min(values) > 0 and max(values) >= 8 * min(values)


def parse_values(text: str) -> tuple[str, ...]:
    """Split a list of values at commas and semicolons. Raises ValueError for one that is left out."""
    values = tuple(part.strip() for part in text.replace(";", ",").split(","))
    if len(values) > 1 and "" in values:
        raise ValueError(f'"{shorten(text)}" lacks a value beside a comma: write it, or remove the comma.')
    return tuple(filter(None, values))


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


def _sweepable(config: RunConfig) -> dict[str, tuple[str, str, Option]]:
    """Return (part, name, declaration) by flat name, classes first."""
    options = {}
    for name, group in GROUPS.items():
        label = TITLES.get(name, name.capitalize())
        options[name] = (name, name, Option("choice", "", choices=tuple(plugins(group)), label=label))
    for part, prefix in PREFIXES.items():
        for name, option in options_of(type(getattr(config, part))).items():
            if option.kind in SWEEPABLE_KINDS and prefix + name not in NOT_SWEEPABLE:
                options[prefix + name] = (part, name, option)
    return options


def _values_and_options(config: RunConfig) -> dict[str, tuple[Any, Option]]:
    """Return (chosen value, declaration) by flat name."""
    return {
        flat: (getattr(config, part).name if flat in GROUPS else getattr(getattr(config, part), name), option)
        for flat, (part, name, option) in _sweepable(config).items()
    }
