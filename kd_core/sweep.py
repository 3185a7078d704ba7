"""A sweep: one configuration with some options varied, every combination of them over the same seeds."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from kd_core.config import RunConfig

MOST = 2000  # runs
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
        if self.count > MOST:
            raise ValueError(f"That makes {self.count:,} runs, and a sweep has at most {MOST:,}. Choose fewer values.")

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
