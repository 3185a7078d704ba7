"""Statements of the literature and of practice as experiments on embedded data, one file per claim.

A file in this folder with a ``CLAIM`` adds one; there is no list to edit. A claim names families of runs, which differ
in their seed alone, a contrast of networks of these families, and the values of the contrast under which it holds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, Self

from kd_core.base import discovery
from kd_core.base.discovery import PluginError
from kd_core.config.run import RunConfig, from_flat
from kd_core.tasks import measure_of

Settings = Mapping[str, str]  # flat, as in the URL and on the command line
Outcome = Literal["holds", "fails", "open"]

LEAST_SEEDS = 5
DEFAULT_SEEDS = 10
# In the order of every list.
TOPICS = (
    "Labels and data", "Temperature and weights", "Teachers", "Without a teacher", "Self-distillation",
    "Several teachers", "Features and relations", "Language", "Images with masks",
)  # fmt: skip
OUTCOMES: Mapping[Outcome, str] = {"holds": "holds", "fails": "does not hold", "open": "open"}


@dataclass(frozen=True)
class Term:
    """A network by family and role with its weight in a contrast; a lesson may name another measure for it."""

    weight: float
    family: str
    role: str
    measure: str = ""


@dataclass(frozen=True)
class Contrast:
    """Weighted sum of one measure of several networks."""

    terms: tuple[Term, ...]

    def __add__(self, other: Contrast) -> Contrast:
        return Contrast(self.terms + other.terms)

    def __sub__(self, other: Contrast) -> Contrast:
        return self + -1 * other

    def __rmul__(self, factor: float) -> Contrast:
        return Contrast(tuple(replace(term, weight=factor * term.weight) for term in self.terms))


def network(family: str, role: str = "student", measure: str = "") -> Contrast:
    """Return the measure of one network, to be subtracted from others."""
    return Contrast((Term(1, family, role, measure),))


def gain(family: str, role: str = "student", control: str = "baseline") -> Contrast:
    """Return the lead of a network over another one of the same runs."""
    return network(family, role) - network(family, control)


@dataclass(frozen=True)
class Expectation:
    """Range in which a claim expects its contrast, in points (1 point = 1 %) or the unit of its measure.

    It is declared before it is measured.
    """

    low: float = -math.inf
    high: float = math.inf

    def outcome(self, interval: tuple[float, float]) -> Outcome:
        """Return "holds" if an interval lies within the range, "fails" if it lies outside, else "open"."""
        low, high = interval
        if self.low < low and high < self.high:
            return "holds"
        return "fails" if high <= self.low or self.high <= low else "open"

    def in_words(self, unit: str = "points") -> str:
        """Return the range with its unit."""
        if math.isinf(self.high):
            return f"more than {self.low:g} {unit}"
        if math.isinf(self.low):
            return f"less than {self.high:g} {unit.removesuffix('s') if self.high == 1 else unit}"
        return f"within ±{self.high:g} {unit}" if self.low == -self.high else f"{self.low:g} to {self.high:g} {unit}"


MORE, LESS = Expectation(low=0), Expectation(high=0)


def at_most(points: float) -> Expectation:
    """Return the range of no advantage, up to a number of points."""
    return Expectation(high=points)


def within(points: float) -> Expectation:
    """Return the range of equivalence, up to a number of points in either direction."""
    return Expectation(-points, points)


@dataclass(frozen=True)
class Measured:
    """What a claim gave when it was written; ``python -m benchmarks.claims`` writes it.

    Attributes:
        values: Mean of the measure of each term over the seeds, in % or its unit.
        estimate: Contrast in points, or in that unit.
        interval: Its 95 % confidence interval over seeds and test examples.
        seconds: Of one core, for all families with all seeds and their teachers.
        machine: What it was measured on, and when.
    """

    values: tuple[float, ...]
    estimate: float
    interval: tuple[float, float]
    seeds: int
    seconds: float
    machine: str = ""


@dataclass(frozen=True)
class Claim:
    """Statement that can be tested.

    Attributes:
        title: The statement in one plain sentence.
        source: Paper, section and year, or whose practice it is.
        topic: Heading in lists, one of :data:`TOPICS`.
        families: Flat settings of the runs by a name of a few words.
        contrast: What is compared.
        expected: Under which values of the contrast the claim holds.
        why: The reason in a sentence, and how the experiment differs from the source.
        measure: Name of a test metric.
        name: Key in lists, in links and in the terminal, which is the name of the file.
    """

    title: str
    source: str
    topic: str
    families: Mapping[str, Settings]
    contrast: Contrast
    expected: Expectation
    why: str
    measure: str = "accuracy"
    seeds: int = DEFAULT_SEEDS
    measured: Measured | None = None
    name: str = ""

    def configs(self) -> dict[str, RunConfig]:
        """Return the configuration of every family with seed 0.

        Raises ValueError if this installation lacks its data, method or network.
        """
        return {family: from_flat(settings) for family, settings in self.families.items()}

    @property
    def expected_in_words(self) -> str:
        """What is expected, with the unit of the measure."""
        return self.expected.in_words(measure_of(self.measure).unit_of_difference)

    @property
    def outcome(self) -> Outcome | None:
        """The outcome of what was measured; None before that."""
        return self.expected.outcome(self.measured.interval) if self.measured else None

    def named(self, name: str) -> Self:
        """Return the claim with its key."""
        return replace(self, name=name)


def claims() -> Mapping[str, Claim]:
    """Return every claim by name, by topic and within a topic the oldest source first."""
    members = discovery.members("claims", __name__, _read_module)
    return dict(sorted(members.items(), key=lambda pair: _place(pair[1])))


def find(name: str) -> Claim:
    """Return the claim of this name. Raises ValueError with the allowed names."""
    if name not in claims():
        raise ValueError(f'claim = "{name}": choose one of {", ".join(claims())}.')
    return claims()[name]


def _place(claim: Claim) -> tuple[int, str]:
    years = re.findall(r"\b(?:19|20)\d\d\b", claim.source)
    return TOPICS.index(claim.topic) if claim.topic in TOPICS else len(TOPICS), min(years, default="")


def _read_module(_group: str, key: str, module: object, _others: Mapping[str, Claim]) -> Claim:
    """Return CLAIM of a module. Raises PluginError."""
    claim = getattr(module, "CLAIM", None)
    if not isinstance(claim, Claim):
        raise PluginError("it has no CLAIM", "assign a kd_core.config.claims.Claim to it")
    if unknown := {term.family for term in claim.contrast.terms} - set(claim.families):
        raise PluginError(f"its contrast names {', '.join(sorted(unknown))}", "name one of its families")
    if any("dataset" not in settings for settings in claim.families.values()):
        raise PluginError("a family has no data set", 'add "dataset" to its settings')
    if claim.seeds < LEAST_SEEDS:
        raise PluginError(f"it has {claim.seeds} seeds", f"choose at least {LEAST_SEEDS}")
    return claim.named(key)
