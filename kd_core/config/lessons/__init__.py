"""Lessons in which the outcome of a real run is predicted before it is seen, one file per lesson.

A file in this folder with a ``LESSON`` adds one; there is no list to edit. Predicting an outcome first, and saying
afterwards what was seen, is what makes a demonstration teach (Crouch, Fagen, Callan & Mazur 2004, Am. J. Phys. 72, 835;
Miller, Lasry, Chu & Mazur 2013, Phys. Rev. ST PER 9, 020113; Kim, Reinecke & Hullman 2017, CHI).
"""

from __future__ import annotations

import itertools
import math
import statistics
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from kd_core.base import discovery, marks
from kd_core.base.discovery import PluginError
from kd_core.config.claims import Contrast, Expectation, Settings, Term
from kd_core.config.comparison import TestMetrics

SEEDS = 5
Results = Mapping[str, Mapping[int, TestMetrics]]  # test metrics by family and seed


@dataclass(frozen=True)
class Point:
    """One column of a lesson's chart.

    Attributes:
        label: Below the axis.
        contrast: What is drawn, the measure of a network or a difference, in % or points.
        role: Of the mark, its shape and colour.
        is_given: Whether it is shown before the prediction.
        seed: Which of the lesson's seeds, from 0, is drawn; None for the mean over all of them.
    """

    label: str
    contrast: Contrast
    role: str = "student"
    is_given: bool = False
    seed: int | None = None


@dataclass(frozen=True)
class Choice:
    """Possible outcome of a lesson.

    Attributes:
        text: Answer to "what will happen?" and to "what did you see?".
        when: Values of the lesson's difference for which it is what happened, in points.
        explanation: Of this outcome, in two or three sentences. ``{key}`` stands for the value of a point,
            ``{difference}`` for that of the difference, ``{amount}`` for it without a sign, and ``{low}`` and
            ``{high}`` for its extremes over the seeds.
    """

    text: str
    when: Expectation
    explanation: str


@dataclass(frozen=True)
class Change:
    """One thing to change afterwards, with the address of a page and its parameters."""

    text: str
    page: str
    settings: Settings


@dataclass(frozen=True)
class Compression:
    """What is done to the student of every run of a lesson after its training.

    The networks that it leads to have the roles "pruned", "distilled again" (from the unpruned student), "fine-tuned"
    (on the labels alone, as many updates) and "int8" (of the one distilled again).

    Attributes:
        fraction: Fraction of the channels or weights that is removed.
        kind: "channels" or "weights".
    """

    fraction: float
    kind: str = "channels"


@dataclass(frozen=True)
class Lesson:
    """One lesson of three to five minutes.

    Attributes:
        order: Place in the list.
        idea: Paragraphs that lead to the question.
        question: What is predicted.
        families: Flat settings of the runs by a name of a few words.
        points: Columns of the chart by a key for the explanations.
        difference: What decides between the choices, in points.
        choices: The outcomes, whose ranges meet without a gap.
        expected: Position of the choice that usually happens.
        notice: What to look at in the chart after the run.
        measure: Test metric, a fraction in [0, 1].
        axis: Title of the value axis, and its ends in % or points.
        is_spread: Whether the difference between the largest and the smallest seed decides, not the mean.
        compression: What is done to the students afterwards; None for nothing.
        name: Key in links, which is the name of the file.
    """

    order: int
    title: str
    minutes: int
    idea: Sequence[str]
    question: str
    families: Mapping[str, Settings]
    points: Mapping[str, Point]
    difference: Contrast
    choices: Sequence[Choice]
    expected: int
    notice: str
    change: Change
    measure: str = "accuracy"
    axis: tuple[str, float, float] = ("test accuracy, %", 0, 100)
    seeds: int = SEEDS
    is_spread: bool = False
    compression: Compression | None = None
    name: str = field(default="", compare=False)

    @property
    def run_count(self) -> int:
        """Number of runs of one learner."""
        return len(self.families) * self.seeds * (1 if self.compression is None else 2)

    def seed_numbers(self, first: int) -> range:
        """Return the seeds of the runs of a learner whose first one is ``first``."""
        return range(first, first + self.seeds)

    def values(self, point: Point, results: Results) -> list[float]:
        """Return the value of a point for each seed, in % or points."""
        values = self._by_seed(point.contrast, results)
        return values if point.seed is None else [values[point.seed]]

    def outcome(self, results: Results) -> int:
        """Return the position of the choice that has happened."""
        value = self.decisive(results)
        return next(i for i, choice in enumerate(self.choices) if choice.when.low <= value < choice.when.high)

    def explanation(self, results: Results) -> str:
        """Return what has happened in the learner's own numbers, and why."""
        differences = self._by_seed(self.difference, results)
        words = {key: self._text(self.values(point, results)) for key, point in self.points.items()}
        decisive = self.decisive(results)
        words["amount"] = f"{abs(decisive):.1f}{marks.SPACE}points"
        words["difference"] = words["amount"] if self.is_spread else marks.points(decisive)
        words |= {"low": marks.signed(min(differences)), "high": marks.signed(max(differences))}
        return self.choices[self.outcome(results)].explanation.format(**words)

    def named(self, name: str) -> Self:
        """Return the lesson with its key."""
        return replace(self, name=name)

    def _text(self, values: Sequence[float]) -> str:
        mean = statistics.fmean(values)
        return f"{mean:.1f}{marks.SPACE}%" if "%" in self.axis[0] else marks.points(mean)

    def decisive(self, results: Results) -> float:
        """Return the value that decides between the choices, in points."""
        differences = self._by_seed(self.difference, results)
        return max(differences) - min(differences) if self.is_spread else statistics.fmean(differences)

    def _by_seed(self, contrast: Contrast, results: Results) -> list[float]:
        seeds = sorted(results[contrast.terms[0].family])

        def measured(term: Term, seed: int) -> float:
            return 100 * term.weight * float(results[term.family][seed][term.role][term.measure or self.measure])

        return [sum(measured(term, seed) for term in contrast.terms) for seed in seeds]


def lessons() -> Mapping[str, Lesson]:
    """Return every lesson by name, in their order."""
    members = discovery.members("lessons", __name__, _read_module)
    return dict(sorted(members.items(), key=lambda pair: (pair[1].order, pair[0])))


def find(name: str) -> Lesson:
    """Return the lesson of this name. Raises ValueError with the allowed names."""
    if name not in lessons():
        raise ValueError(f'lesson = "{name}": choose one of {", ".join(lessons())}.')
    return lessons()[name]


def _read_module(_group: str, key: str, module: object, _others: Mapping[str, Lesson]) -> Lesson:
    """Return LESSON of a module. Raises PluginError."""
    lesson = getattr(module, "LESSON", None)
    if not isinstance(lesson, Lesson):
        raise PluginError("it has no LESSON", "assign a kd_core.config.lessons.Lesson to it")
    terms = [*lesson.difference.terms, *(term for point in lesson.points.values() for term in point.contrast.terms)]
    if unknown := {term.family for term in terms} - set(lesson.families):
        raise PluginError(f"it names {', '.join(sorted(unknown))}", "name one of its families")
    if any("dataset" not in settings for settings in lesson.families.values()):
        raise PluginError("a family has no data set", 'add "dataset" to its settings')
    edges = sorted((choice.when.low, choice.when.high) for choice in lesson.choices)
    is_whole = bool(edges) and edges[0][0] == -math.inf and edges[-1][1] == math.inf
    if not is_whole or any(before[1] != after[0] for before, after in itertools.pairwise(edges)):
        raise PluginError("its choices leave some outcomes out", "let their ranges meet, from minus to plus infinity")
    if not 0 <= lesson.expected < len(lesson.choices):
        raise PluginError(f"expected = {lesson.expected} is no choice", f"choose 0 to {len(lesson.choices) - 1}")
    fields = {"difference", "amount", "low", "high", *lesson.points}
    for choice in lesson.choices:
        try:
            used = {name for _, name, _, _ in string.Formatter().parse(choice.explanation) if name is not None}
        except ValueError as error:
            raise PluginError(f"an explanation cannot be read ({error})", "write {{ for a brace") from error
        if used - fields:
            raise PluginError(f"an explanation names {', '.join(sorted(used - fields))}", f"use {', '.join(fields)}")
    if any(point.seed is not None and not 0 <= point.seed < lesson.seeds for point in lesson.points.values()):
        raise PluginError("a point has a seed that is not trained", f"choose 0 to {lesson.seeds - 1}")
    return lesson.named(key)
