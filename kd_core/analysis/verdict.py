"""The verdict in words: by how much the student beat its baseline, or did not, and whether that may be luck.

Every sentence is derived from the numbers of finished runs; nothing here knows what was hoped for.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import stdtrit

from kd_core.config.comparison import STUDENT_OVER_BASELINE, Comparison, Test

LEVEL = 0.95


@dataclass(frozen=True)
class Verdict:
    """``gain`` and ``interval`` in points of test accuracy (1 point = 1 %), None where there is nothing to compare."""

    outcome: str  # "gain", "loss", "open" (may be luck), "single" (one seed) or "alone" (no baseline)
    sentence: str
    gain: float | None = None
    interval: tuple[float, float] | None = None
    seeds: int = 1


def verdict(tests: Sequence[Test], of: Comparison = STUDENT_OVER_BASELINE) -> Verdict:
    """On one finished run per seed, all of one configuration. Raises ValueError without any."""
    if not tests:
        raise ValueError("A verdict needs at least one finished run.")
    if any(of.role not in test for test in tests):
        return Verdict("alone", "The run ended before there was anything to compare.")
    students = [100 * test[of.role][of.measure] for test in tests]
    if any(of.control not in test for test in tests):
        return Verdict(
            "alone",
            f"The {of.name} student reaches {_mean(students)} {of.on}. It was trained without a baseline "
            "beside it, so nobody knows what the teacher was good for.",
            seeds=len(tests),
        )
    controls = [100 * test[of.control][of.measure] for test in tests]
    gains = [student - other for student, other in zip(students, controls, strict=True)]
    gain = statistics.fmean(gains)
    compared = f"{of.control_name} {_mean(controls)}, {of.name} {_mean(students)} {of.on}"
    if of.among:
        compared = f"Of {of.among}, the {of.role} recognises {_mean(students)}, the {of.control} {_mean(controls)}"
    if len(tests) == 1:
        return _single(tests[0], of, compared, gain)
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


def _single(test: Test, of: Comparison, compared: str, gain: float) -> Verdict:
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
