"""Verdict on finished runs in words, from the student's gain over its baseline and its confidence interval."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from kd_core.config.comparison import STUDENT_OVER_BASELINE, Comparison, TestMetrics

LEVEL = 0.95  # of the confidence interval
ONE_SEED = "One seed cannot separate a real gain from noise."


@dataclass(frozen=True)
class Verdict:
    """Outcome and sentence; ``gain`` and ``interval`` in points of test accuracy (1 point = 1 %).

    Both are None where there is nothing to compare.
    """

    outcome: str  # "gain", "loss", "open" (the interval holds zero), "single" (one seed) or "alone" (no baseline)
    sentence: str
    gain: float | None = None
    interval: tuple[float, float] | None = None
    seeds: int = 1

    def __str__(self) -> str:
        return self.sentence


def verdict(tests: Sequence[TestMetrics], comparison: Comparison = STUDENT_OVER_BASELINE) -> Verdict:
    """Return the verdict on runs of one configuration, given the test metrics of each seed.

    Raises ValueError without any run.
    """
    if not tests:
        raise ValueError("A verdict needs at least one finished run.")
    if any(comparison.role not in test for test in tests):
        return Verdict("alone", "The run ended before there was a student to compare.")
    students = [100 * test[comparison.role][comparison.measure] for test in tests]
    if any(comparison.control not in test for test in tests):
        return Verdict(
            "alone",
            f"The {comparison.name} student reaches {_mean(students)} {comparison.on}. It was trained without a "
            "baseline, so the effect of the teacher cannot be measured.",
            seeds=len(tests),
        )
    controls = [100 * test[comparison.control][comparison.measure] for test in tests]
    gains = [student - control for student, control in zip(students, controls, strict=True)]
    gain = statistics.fmean(gains)
    compared = f"{comparison.control_name} {_mean(controls)}, {comparison.name} {_mean(students)} {comparison.on}"
    if comparison.among:
        compared = (
            f"Of {comparison.among}, the {comparison.role} recognises {_mean(students)}, "
            f"the {comparison.control} {_mean(controls)}"
        )
    if len(tests) == 1:
        return Verdict("single", _one_seed(tests[0], comparison, compared, gain), gain)
    low, high = confidence_interval(gains)
    result = f"{compared}, over {len(tests)} seeds: {_signed(gain)} points"
    result += f" (95 % confidence interval {_signed(low)} to {_signed(high)})"
    if low > 0:
        outcome, sentence = "gain", f"{result}. The interval excludes zero: a significant gain."
    elif high < 0:
        outcome, sentence = "loss", f"{result}. The interval excludes zero: a significant loss."
    else:
        outcome, sentence = "open", f"{result}. The interval includes zero: no significant difference."
    return Verdict(outcome, sentence, gain, (low, high), len(tests))


def confidence_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the mean by Student's t; equal values give an interval of no width."""
    mean, error = statistics.fmean(values), float(stats.sem(values))
    low, high = stats.t.interval(LEVEL, len(values) - 1)
    return mean + float(low) * error, mean + float(high) * error


def _one_seed(test: TestMetrics, comparison: Comparison, compared: str, gain: float) -> str:
    if comparison.measure != "accuracy":  # of fewer examples than were tested, so none are counted
        return f"{compared}: {_signed(gain)} points. {ONE_SEED}"
    examples = int(test[comparison.role]["examples"])
    if abs(gain) < 0.05:
        return f"{compared}: no difference on {examples:,} examples. {ONE_SEED}"
    changed = round(abs(gain) * examples / 100)
    return f"{compared}: {_signed(gain)} points, or {changed:,} of {examples:,} examples. {ONE_SEED}"


def _mean(accuracies: Sequence[float]) -> str:
    return f"{statistics.fmean(accuracies):.1f} %"


def _signed(points: float) -> str:
    return f"{points:+.1f}".replace("-", "−")
