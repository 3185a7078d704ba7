"""Cells of the tables of results: a spread over seeds, and a gain that says whether it may be luck."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from kd_core.analysis.verdict import verdict
from kd_core.config.comparison import Comparison, TestMetrics

STUDENT = Comparison()  # against its baseline


def spread(shares: Sequence[float]) -> str:
    """Mean and standard deviation in per cent."""
    return f"{100 * statistics.mean(shares):.1f} ± {100 * statistics.stdev(shares):.1f}"


def gain(tests: Sequence[TestMetrics], of: Comparison = STUDENT) -> str:
    """In points, with its 95 % interval; bold for a gain and slanted for a loss beyond chance."""
    found = verdict(tests, of)
    assert found.gain is not None
    assert found.interval is not None
    mark = {"gain": "**", "loss": "_"}.get(found.outcome, "")
    low, high = found.interval
    return f"{mark}{found.gain:+.1f}{mark} ({low:+.1f} to {high:+.1f})".replace("-", "−")
