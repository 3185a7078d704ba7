"""Comparison of two networks in one measure, which is the result of a distillation scheme."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

DEFAULT_SEEDS = 5  # runs of a repetition; with fewer the confidence interval is too wide to be of use
TestMetrics = Mapping[str, Mapping[str, Any]]  # Finished.test


@dataclass(frozen=True)
class Comparison:
    """Two networks, by role, and the measure in which a verdict compares them.

    Attributes:
        role: The network of interest.
        control: The network it is compared with.
        measure: Name of a test metric that is a fraction in [0, 1].
        name: ``role`` in words.
        control_name: ``control`` in words.
        on: Where it is measured, in words.
        examples: What is counted, plural noun.
        among: Of which examples the measure is a fraction, if it is not the accuracy; ``{omitted}`` stands for the
            held-out class.
        score: What the task calls the measure "accuracy", on the test set.
        validation_score: The same on the validation set.
    """

    role: str = "student"
    control: str = "baseline"
    measure: str = "accuracy"
    name: str = "distilled"
    control_name: str = "Baseline"
    on: str = "on the test set"
    examples: str = "examples"
    among: str = ""
    score: str = "accuracy"
    validation_score: str = "accuracy"

    def counting(self, rows: str) -> Comparison:
        """Return the comparison for a task whose rows are other things than examples, such as characters."""
        return self if rows == self.examples else replace(self, on=f"of the {rows} of the test set", examples=rows)

    def scored_by(self, title: str, validation_title: str = "") -> Comparison:
        """Return the comparison for a task with another score than the fraction of its rows that are right."""
        return replace(self, on=f"{title} on the test set", score=title, validation_score=validation_title or title)

    def with_omitted_class(self, omitted: str) -> Comparison:
        """Return the comparison with the name of the held-out class filled in."""
        return replace(self, among=self.among.format(omitted=f"class {omitted}"))


STUDENT_OVER_BASELINE = Comparison()
