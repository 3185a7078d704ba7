"""The verdict in words: by how much the student beat its baseline, or did not, and whether that may be luck.

Every sentence is derived from the numbers of finished runs; nothing here knows what was hoped for.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import stdtrit

from kd_core.config.comparison import STUDENT_OVER_BASELINE, Comparison, TestMetrics

LEVEL = 0.95


@dataclass(frozen=True)
class Verdict:
    """``gain`` and ``interval`` in points of test accuracy (1 point = 1 %), None where there is nothing to compare."""

    outcome: str  # "gain", "loss", "open" (may be luck), "single" (one seed) or "alone" (no baseline)
    sentence: str
    gain: float | None = None
    interval: tuple[float, float] | None = None
    seeds: int = 1

    def __str__(self) -> str:
        return self.sentence


def verdict(tests: Sequence[TestMetrics], comparison: Comparison = STUDENT_OVER_BASELINE) -> Verdict:
    """On one finished run per seed, all of one configuration. Raises ValueError without any."""
    if not tests:
        raise ValueError("A verdict needs at least one finished run.")
    if any(comparison.role not in test for test in tests):
        return Verdict("alone", "The run ended before there was anything to compare.")
    students = [100 * test[comparison.role][comparison.measure] for test in tests]
    if any(comparison.control not in test for test in tests):
        return Verdict(
            "alone",
            f"The {comparison.name} student reaches {_mean(students)} {comparison.on}. It was trained without a "
            f"baseline "
            "beside it, so nobody knows what the teacher was good for.",
            seeds=len(tests),
        )
    controls = [100 * test[comparison.control][comparison.measure] for test in tests]
    gains = [student - other for student, other in zip(students, controls, strict=True)]
    gain = statistics.fmean(gains)
    compared = f"{comparison.control_name} {_mean(controls)}, {comparison.name} {_mean(students)} {comparison.on}"
    if comparison.among:
        compared = (
            f"Of {comparison.among}, the {comparison.role} recognises {_mean(students)}, "
            f"the {comparison.control} {_mean(controls)}"
        )
    if len(tests) == 1:
        return _single(tests[0], comparison, compared, gain)
    interval = confidence_interval(gains)
    found = f"{compared}, over {len(tests)} seeds: {_points(gain)}"
    spread = f"95 % interval {_signed(interval[0])} to {_signed(interval[1])}"
    if interval[0] > 0:
        return Verdict("gain", f"{found} ({spread}). That is more than chance explains.", gain, interval, len(tests))
    if interval[1] < 0:
        text = f"{found} ({spread}). That is a loss, by more than chance explains."
        return Verdict("loss", text, gain, interval, len(tests))
    text = f"{found}, but the {spread} includes zero: this may be luck."
    return Verdict("open", text, gain, interval, len(tests))


def confidence_interval(gains: Sequence[float]) -> tuple[float, float]:
    """95 % interval of the mean of paired differences: Student's t. Equal differences give an interval of no width."""
    mean, count = statistics.fmean(gains), len(gains)
    half = float(stdtrit(count - 1, (1 + LEVEL) / 2)) * statistics.stdev(gains) / math.sqrt(count)
    return mean - half, mean + half


def _single(test: TestMetrics, of: Comparison, compared: str, gain: float) -> Verdict:
    examples = int(test[of.role]["examples"])
    if of.measure != "accuracy":  # a share of fewer examples than were tested
        return Verdict("single", f"{compared}: {_points(gain)}. One seed cannot tell skill from luck.", gain)
    if abs(gain) < 0.05:
        sentence = f"{compared}: no difference on {examples:,} examples."
    else:
        sentence = f"{compared}: {_points(gain)}, or {round(abs(gain) * examples / 100):,} of {examples:,} examples."
    return Verdict("single", f"{sentence} One seed cannot tell skill from luck.", gain)


def _mean(accuracies: Sequence[float]) -> str:
    return f"{statistics.fmean(accuracies):.1f} %"


def _points(gain: float) -> str:
    return f"{_signed(gain)} points"


def _signed(points: float) -> str:
    return f"{points:+.1f}".replace("-", "−")
