"""Verdicts in words, and how often their interval holds the truth."""

from collections.abc import Callable

import numpy as np
import pytest

from kd_core.analysis.verdict import confidence_interval, verdict
from kd_core.config.comparison import Comparison

pytestmark = pytest.mark.slow


def finished(students: list[float], baselines: list[float]) -> list[dict]:
    return [
        {"student": {"accuracy": s, "examples": 500.0}, "baseline": {"accuracy": b, "examples": 500.0}}
        for s, b in zip(students, baselines, strict=True)
    ]


def test_a_clear_gain_is_reported_with_its_seeds_and_interval() -> None:
    result = verdict(finished([0.85, 0.86, 0.84, 0.85], [0.80, 0.80, 0.79, 0.81]))
    assert result.outcome == "gain"
    assert "Baseline 80.0 %, distilled 85.0 % on the test set, over 4 seeds: +5.0 points" in result.sentence
    assert result.seeds == 4
    assert result.interval[0] > 0


def test_a_clear_loss_is_reported_as_plainly() -> None:
    result = verdict(finished([0.80, 0.80, 0.79], [0.85, 0.86, 0.84]))
    assert result.outcome == "loss"
    assert "−5.3 points" in result.sentence
    assert result.interval[1] < 0


def test_an_interval_that_includes_zero_leaves_the_outcome_open() -> None:
    result = verdict(finished([0.97, 0.96, 0.98], [0.97, 0.98, 0.96]))
    assert result.outcome == "open"
    assert result.interval[0] < 0 < result.interval[1]


def test_one_seed_is_never_enough() -> None:
    result = verdict(finished([0.90], [0.80]))
    assert result.outcome == "single"
    assert "+10.0 points, or 50 of 500 examples. One seed " in result.sentence


MISSING = Comparison("student", "baseline", "omitted", among="{omitted}, which neither saw")


def recognised(students: list[float], baselines: list[float]) -> list[dict]:
    return [
        {"student": {"omitted": s, "examples": 500.0}, "baseline": {"omitted": b, "examples": 500.0}}
        for s, b in zip(students, baselines, strict=True)
    ]


def test_a_recall_of_one_class_names_the_class_and_both_recalls() -> None:
    result = verdict(recognised([0.729], [0.396]), MISSING.with_omitted_class("8"))
    assert result.sentence.startswith(
        "Of class 8, which neither saw, the student recognises 72.9 %, the baseline 39.6 %: +33.3 points."
    )
    assert "One seed" in result.sentence


def test_a_recall_of_one_class_has_seeds_and_an_interval_too() -> None:
    result = verdict(recognised([0.70, 0.72, 0.74], [0.40, 0.41, 0.42]), MISSING.with_omitted_class("8"))
    assert result.outcome == "gain"
    assert "the student recognises 72.0 %, the baseline 41.0 %, over 3 seeds: +31.0 points (95 % " in result.sentence


def test_without_a_baseline_there_is_no_gain() -> None:
    result = verdict([{"student": {"accuracy": 0.9, "examples": 500.0}}])
    assert result.outcome == "alone"
    assert result.gain is None


def test_a_run_that_ended_with_its_teacher_has_no_student_to_compare() -> None:
    assert verdict([{"teacher": {"accuracy": 0.9}}]).outcome == "alone"


def test_no_runs_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        verdict([])


def test_the_interval_is_that_of_the_table_of_students_t() -> None:
    gains = [1.2, -0.4, 2.2, 0.9, 1.7]
    half = 2.776445 * np.std(gains, ddof=1) / np.sqrt(5)  # t of 4 degrees of freedom, 97.5 %
    assert confidence_interval(gains) == pytest.approx((1.12 - half, 1.12 + half))
    assert confidence_interval([2.0, 2.0, 2.0]) == (2.0, 2.0)


def coverage(draw: Callable[[np.random.Generator, tuple[int, int]], np.ndarray], seeds: int) -> float:
    """Return the fraction of 4,000 experiments, of so many seeds each, whose interval holds the true mean of 1."""
    random = np.random.default_rng(seeds)
    intervals = [confidence_interval(gains.tolist()) for gains in draw(random, (4000, seeds))]
    return sum(low <= 1.0 <= high for low, high in intervals) / len(intervals)


def normal(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Return gains where student and baseline of a seed share half of their variance, as they share batches."""
    shared = random.normal(80.0, 2.0, shape)
    student, baseline = shared + random.normal(1.0, 1.4, shape), shared + random.normal(0.0, 1.4, shape)
    return student - baseline


def skewed(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Return exponential gains of mean 1, where most seeds gain a little and some a lot."""
    return random.exponential(1.0, shape)


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_the_interval_covers_the_truth_as_often_as_it_says(seeds: int) -> None:
    assert 0.93 < coverage(normal, seeds) < 0.97  # five standard errors of 4,000 experiments are 0.017


def test_skewed_gains_are_covered_less_often_than_the_interval_says() -> None:
    # With few draws of a skewed distribution Student's t promises too much: 88, 87 and 90 % here. Many draws mend it.
    assert all(0.85 < coverage(skewed, seeds) < 0.92 for seeds in (3, 5, 10))
    assert 0.93 < coverage(skewed, 100) < 0.97
