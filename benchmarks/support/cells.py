"""Cells of the tables of results, with spread over seeds and confidence intervals."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from kd_core.analysis.verdict import verdict
from kd_core.config.comparison import Comparison, TestMetrics

STUDENT = Comparison()  # against its baseline


def spread(fractions: Sequence[float]) -> str:
    """Return mean and standard deviation in percent."""
    return f"{100 * statistics.mean(fractions):.1f} ± {100 * statistics.stdev(fractions):.1f}"


def gain(tests: Sequence[TestMetrics], of: Comparison = STUDENT) -> str:
    """Return a gain in points with its 95 % confidence interval; a significant gain is bold, a loss italic."""
    result = verdict(tests, of)
    assert result.gain is not None
    assert result.interval is not None
    mark = {"gain": "**", "loss": "_"}.get(result.outcome, "")
    low, high = result.interval
    return f"{mark}{result.gain:+.1f}{mark} ({low:+.1f} to {high:+.1f})".replace("-", "−")
