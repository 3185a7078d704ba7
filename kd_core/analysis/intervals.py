"""Confidence interval and p-value of a mean over seeds and test examples.

A gain measured with a few seeds on one test set varies for two reasons: other seeds would train other networks, and
other test examples would judge them differently. Both are counted, although every seed is tested on the same examples:

- The seeds by Student's t of the values of the S seeds.
- The N test examples by Student's t of the mean over the seeds of each example, where 1.5 imaginary examples at each
  end of the scale are added. Bonett & Price, "Adjusted Wald confidence interval for a difference of binomial
  proportions based on paired data" (2012), add one; with 1.5 and Student's t the interval of two fixed networks holds
  the truth in at least 94 % of the cases for 6 examples and more (``benchmarks/coverage.py``). It never has no width.
- Their distances from the mean are added in quadrature (Zou & Donner, "Construction of confidence limits about effect
  measures", 2008). The variance that changes with seed and example at once is in both terms and not subtracted, as in
  the two-way clustering of Cameron, Gelbach & Miller (2011), so the interval is rather too wide than too narrow.
"""

from __future__ import annotations

import base64
import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kd_core.config.comparison import Comparison, TestMetrics
from kd_core.tasks import measure_of

LEVEL = 0.95
IMAGINARY = 1.5  # examples at each end of the scale
LARGEST = 10_000  # number of examples that is looked for in stored fractions
SMALLEST_P = 1e-12  # smaller p-values are not told apart


@dataclass(frozen=True)
class Estimate:
    """Mean of a measure over seeds and test examples; fractions, or their differences.

    Attributes:
        values: Measure of each seed, a mean over all examples.
        square: Mean square over the examples of the mean over the seeds.
        examples: Number of test examples; 0 for a measure that is no mean over them, of which the seeds alone count.
        limits: Lowest and highest possible value.
    """

    values: tuple[float, ...]
    square: float
    examples: int
    limits: tuple[float, float]

    @property
    def mean(self) -> float:
        return math.fsum(self.values) / len(self.values)

    def interval(self, level: float = LEVEL) -> tuple[float, float] | None:
        """Return the confidence interval; None for one seed, which tells nothing about other seeds."""
        if len(self.values) < 2:
            return None
        low, high = self._interval(1 - level)
        return max(low, self.limits[0]), min(high, self.limits[1])

    @property
    def seeds_error(self) -> float:
        """Standard error of the mean over the seeds, on these test examples; NaN for one seed."""
        return float(np.std(self.values, ddof=1)) / math.sqrt(len(self.values)) if len(self.values) > 1 else math.nan

    def examples_interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Return the confidence interval for these networks on other test examples, within the limits."""
        low, high = self._examples_interval(1 - level)
        return max(low, self.limits[0]), min(high, self.limits[1])

    @functools.cached_property
    def p_value(self) -> float | None:
        """The largest p for which the interval of level 1 − p holds zero, at least 1e-12; None for one seed."""
        if len(self.values) < 2:
            return None
        from scipy.optimize import brentq  # takes a third of a second to import

        def excess(exponent: float) -> float:
            low, high = self._interval(10**exponent)
            return low if self.mean > 0 else -high

        if self.mean == 0 or excess(-1e-9) <= 0:
            return 1.0
        smallest = math.log10(SMALLEST_P)
        return SMALLEST_P if excess(smallest) >= 0 else float(10 ** brentq(excess, smallest, -1e-9))

    def _interval(self, alpha: float) -> tuple[float, float]:
        mean, seeds = self.mean, _quantile(alpha, len(self.values)) * self.seeds_error
        low, high = self._examples_interval(alpha)
        return mean - math.hypot(seeds, max(0.0, mean - low)), mean + math.hypot(seeds, max(0.0, high - mean))

    def _examples_interval(self, alpha: float) -> tuple[float, float]:
        if not self.examples:
            return self.mean, self.mean
        lowest, highest = self.limits
        count = self.examples + 2 * IMAGINARY
        centre = (self.examples * self.mean + IMAGINARY * (lowest + highest)) / count
        square = (self.examples * self.square + IMAGINARY * (lowest**2 + highest**2)) / count
        half = _quantile(alpha, self.examples) * math.sqrt(max(0.0, square - centre**2) / count)
        return centre - half, centre + half


def estimate_gain(tests: Sequence[TestMetrics], comparison: Comparison) -> Estimate:
    """Return the gain of a comparison in runs that differ only in their seed.

    Raises ValueError without any run, and KeyError for a network that was not tested.
    """
    sides = ((1.0, comparison.role), (-1.0, comparison.control))
    return estimate_contrast([(weight, [test[role] for test in tests]) for weight, role in sides], comparison.measure)


def estimate_measure(tests: Sequence[TestMetrics], role: str, measure: str) -> Estimate:
    """Return the accuracy, or another fraction, of one network in runs that differ only in their seed."""
    return estimate_contrast([(1.0, [test[role] for test in tests])], measure)


def estimate_contrast(networks: Sequence[tuple[float, Sequence[Mapping[str, Any]]]], measure: str) -> Estimate:
    """Return the weighted sum of a measure of several networks, such as the difference of two gains.

    Runs of version 0.1 do not say which examples were classified correctly. Then the errors of different networks are
    taken as independent of each other and as the same for all seeds, which widens the interval.

    Args:
        networks: Weight of each network and its test metrics, one per seed in the same order, all on one test set.
        measure: Name of the measure. Of one that is no fraction of the test examples the seeds alone are counted.

    Raises:
        ValueError: without any run, or where the networks have different numbers of seeds.
        KeyError: for a network without the measure.
    """
    weights = [weight for weight, _ in networks]
    seeds = list(zip(*([_Tested.of(test, measure) for test in tests] for _, tests in networks), strict=True))
    if not seeds:
        raise ValueError("An estimate needs at least one finished run.")
    values = tuple(
        math.fsum(weight * each.value for weight, each in zip(weights, tested, strict=True)) for tested in seeds
    )
    every = [each for tested in seeds for each in tested]
    if not measure_of(measure).counts_examples or not any(each.is_mean for each in every):
        return Estimate(values, 0.0, 0, (-math.inf, math.inf))
    correct = []
    for tested in seeds:
        masks = [each.correct for each in tested if each.correct is not None]
        if len(masks) == len(weights) and len({len(mask) for mask in masks}) == 1:
            correct.append(np.sum([weight * mask for weight, mask in zip(weights, masks, strict=True)], axis=0))
    # E(x²) of a sum of independent errors is the square of its mean and the sum of their variances.
    independent = [
        value**2 + math.fsum(w**2 * each.value * (1 - each.value) for w, each in zip(weights, tested, strict=True))
        for value, tested in zip(values, seeds, strict=True)
    ]
    limits = math.fsum(min(weight, 0.0) for weight in weights), math.fsum(max(weight, 0.0) for weight in weights)
    return _estimate(values, correct, float(np.mean(independent)), every, limits)


def mean_interval(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the 95 % interval of the mean over the first axis by Student's t, which counts the seeds alone."""
    mean, error = values.mean(0), values.std(0, ddof=1) / math.sqrt(len(values))
    half = _quantile(1 - LEVEL, len(values)) * error
    return mean - half, mean + half


@dataclass(frozen=True)
class _Tested:
    """A measure of one network with the number of examples, and which of them were classified correctly if stored."""

    value: float
    examples: int  # 0 if not known
    correct: NDArray[np.bool_] | None
    is_mean: bool  # over examples

    @classmethod
    def of(cls, metrics: Any, measure: str) -> _Tested:
        prefix = "" if measure == "accuracy" else f"{measure}_"
        examples, packed = int(metrics.get(f"{prefix}examples", 0)), metrics.get(f"{prefix}correct")
        correct = _unpack(packed, examples) if packed else None
        return cls(metrics[measure], examples, correct, metrics.get(f"{prefix}examples") != 0)


def _estimate(
    values: tuple[float, ...],
    correct: Sequence[NDArray[np.float64]],
    square: float,
    tested: Sequence[_Tested],
    limits: tuple[float, float],
) -> Estimate:
    """Return an estimate from the values by example (N,) of every seed, or from ``square`` if a seed lacks them."""
    if len(correct) == len(values) and len({len(each) for each in correct}) == 1:
        mean_over_seeds = np.mean(correct, axis=0)
        return Estimate(values, float(np.mean(mean_over_seeds**2)), len(mean_over_seeds), limits)
    counts = [each.examples for each in tested]
    examples = min(counts) if all(counts) else _smallest_count([each.value for each in tested])
    return Estimate(values, square, examples, limits)


def _smallest_count(fractions: Sequence[float]) -> int:
    """Return the smallest number of examples of which these can be the fractions.

    Runs of version 0.1 do not say how many examples of the held-out class there were.
    """
    array = np.array(fractions)
    counts = (count for count in range(2, LARGEST) if np.allclose(array * count, np.rint(array * count), atol=1e-6))
    return next(counts, LARGEST)


def _unpack(text: str, count: int) -> NDArray[np.bool_]:
    """Return the mask (N,) of which ``metrics.pack_mask`` made the text; that module would import torch here."""
    return np.unpackbits(np.frombuffer(base64.b64decode(text), np.uint8), count=count).astype(bool)


def _quantile(alpha: float, count: int) -> float:
    """Return the quantile of Student's t for a two-sided interval of ``count`` values."""
    from scipy.special import stdtrit  # takes a third of a second to import

    return float(-stdtrit(max(1, count - 1), alpha / 2))
