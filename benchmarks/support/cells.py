"""Cells of the published tables of results, and the machine that they were measured on."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from importlib.metadata import version

from kd_core.analysis.verdict import signed, verdict
from kd_core.base.events import Finished
from kd_core.config.comparison import Comparison, TestMetrics
from kd_core.config.run import from_flat
from kd_core.training.loop import PhaseCache, train_all

SEEDS = 10  # of every row
# Largest p-value of a marked row. The tables have some fifty rows, and on another machine a p-value near 0.05 can be on
# the other side of it, since the last digits of sums differ.
MARKED = 0.001
STUDENT = Comparison()  # against its baseline
_cache: PhaseCache = {}  # the teachers, shared by all runs of a process


def train_seeds(settings: dict[str, str]) -> list[TestMetrics]:
    """Train with every seed, side by side where possible, and return the metrics on the test set by seed."""
    tests: dict[int, TestMetrics] = {}
    for number, event in train_all([from_flat({**settings, "seed": str(seed)}) for seed in range(SEEDS)], cache=_cache):
        if isinstance(event, Finished):
            assert event.outcome == "completed", f"{settings}, seed {number}: {event.outcome}"
            tests[number] = event.test
    return [tests[seed] for seed in range(SEEDS)]


def spread(fractions: Sequence[float]) -> str:
    """Return mean and standard deviation in percent."""
    return f"{100 * statistics.mean(fractions):.1f} ± {100 * statistics.stdev(fractions):.1f}"


def gain(tests: Sequence[TestMetrics], of: Comparison = STUDENT) -> str:
    """Return a gain in points with its 95 % confidence interval; bold, or italic for a loss, if p ≤ 0.001."""
    result = verdict(tests, of)
    assert result.gain is not None
    assert result.interval is not None
    assert result.p_value is not None
    mark = ("**" if result.gain > 0 else "_") if result.p_value <= MARKED else ""
    low, high = result.interval
    return f"{mark}{signed(result.gain)}{mark} ({signed(low)} to {signed(high)})"


def machine() -> str:
    """Return the machine and the versions behind a measurement."""
    versions = f"Python {platform.python_version()}, torch {version('torch')}"
    return f"{platform.machine()} with {os.cpu_count()} cores, {versions}"


def machine_sentence() -> str:
    """Return the sentence below a table."""
    return f"Measured on {machine()}."
