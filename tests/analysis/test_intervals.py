"""Intervals of a gain over seeds and test examples, against exact and simulated probabilities."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from benchmarks.coverage import WORLDS, coverage
from kd_core.analysis.intervals import Estimate, estimate_gain, estimate_measure, mean_interval
from kd_core.base.metrics import compute_metrics
from kd_core.config.comparison import Comparison

GAIN = Comparison()


def metrics(correct: np.ndarray) -> dict[str, Any]:
    """Return the stored metrics of a network that classifies these examples correctly."""
    logits = torch.tensor([[0.0, 1.0], [1.0, 0.0]])[torch.tensor(correct).long()]
    return compute_metrics(logits, torch.zeros(len(correct), dtype=torch.long))


def runs(students: np.ndarray, baselines: np.ndarray) -> list[dict[str, Any]]:
    """Return the test metrics of one run per row of correct answers (seeds, examples)."""
    return [
        {"student": metrics(student), "baseline": metrics(baseline)}
        for student, baseline in zip(students, baselines, strict=True)
    ]


def rounded(student: float, baseline: float, examples: int = 500) -> dict[str, Any]:
    """Return the test metrics of a run that was stored without the correct examples."""
    return {
        role: {"accuracy": accuracy, "examples": float(examples)}
        for role, accuracy in (("student", student), ("baseline", baseline))
    }


def test_many_examples_leave_student_s_t_of_the_seeds() -> None:
    gains = [0.012, -0.004, 0.022, 0.009, 0.017]
    half = 2.776445 * np.std(gains, ddof=1) / np.sqrt(5)  # t of 4 degrees of freedom, 97.5 %
    low, high = Estimate(tuple(gains), np.mean(gains) ** 2, 10**9, (-1.0, 1.0)).interval()
    assert (low, high) == pytest.approx((0.0112 - half, 0.0112 + half), abs=1e-6)
    assert np.ravel(mean_interval(np.array(gains))) == pytest.approx((0.0112 - half, 0.0112 + half))


def test_many_equal_seeds_leave_the_paired_interval_of_the_examples() -> None:
    random = np.random.default_rng(0)
    student, baseline = random.random((2, 4000)) < [[0.9], [0.88]]
    estimate = estimate_gain(runs(np.tile(student, (5, 1)), np.tile(baseline, (5, 1))), GAIN)
    difference = student.astype(float) - baseline
    half = 1.96 * difference.std() / np.sqrt(4000)  # the normal interval of a mean
    assert estimate.interval() == pytest.approx((difference.mean() - half, difference.mean() + half), abs=2e-4)


def test_the_pairs_of_correct_answers_narrow_the_interval() -> None:
    random = np.random.default_rng(1)
    easy = random.random((1, 500)) < 0.9  # both networks fail on the same examples
    students, baselines = easy & (random.random((4, 500)) < 0.98), easy & (random.random((4, 500)) < 0.96)
    tests = runs(students, baselines)
    unpaired = [
        {role: {"accuracy": body["accuracy"], "examples": body["examples"]} for role, body in test.items()}
        for test in tests
    ]
    paired, bound = estimate_gain(tests, GAIN), estimate_gain(unpaired, GAIN)
    assert paired.values == bound.values
    low, high = paired.interval()
    assert bound.interval()[0] < low < high < bound.interval()[1]


def test_two_seeds_that_agree_to_the_digit_prove_nothing() -> None:
    low, high = estimate_gain([rounded(0.802, 0.800)] * 2, GAIN).interval()
    assert low < -0.02
    assert high > 0.02


def test_networks_that_never_differ_may_differ_elsewhere() -> None:
    correct = np.ones((5, 500), dtype=bool)
    low, high = estimate_gain(runs(correct, correct), GAIN).interval()
    # Of 500 examples none differs. With 3.7 in 500 that differ this is as rare as 0.025: (1 - 3.7 / 500) ** 500.
    assert -0.012 < low < -0.005
    assert 0.005 < high < 0.012


def test_six_examples_allow_no_claim() -> None:
    students, baselines = np.ones((10, 6), dtype=bool), np.tile([True] * 3 + [False] * 3, (10, 1))
    low, high = estimate_gain(runs(students, baselines), GAIN).interval()
    assert low < 0
    assert high > 0.5


def test_one_seed_has_no_interval_and_no_p_value() -> None:
    estimate = estimate_gain([rounded(0.9, 0.8)], GAIN)
    assert estimate.interval() is None
    assert estimate.p_value is None
    low, high = estimate.examples_interval()
    assert low < 0.1 < high


@pytest.mark.parametrize("examples", [6, 7, 10, 20, 50])
def test_two_fixed_networks_are_covered_at_every_pair_of_probabilities(examples: int) -> None:
    # Exact: every number of examples that only the student or only the baseline classifies correctly, by its
    # multinomial probability.
    counts = np.array([(a, b) for a, b in itertools.product(range(examples + 1), repeat=2) if a + b <= examples])
    intervals = np.array([
        Estimate(((a - b) / examples,), (a + b) / examples, examples, (-1.0, 1.0)).examples_interval()
        for a, b in counts
    ])  # fmt: skip
    outcomes = np.column_stack([counts, examples - counts.sum(1)])
    for fixed, broke in itertools.product(np.linspace(0, 1, 21), np.linspace(0, 1, 21)):
        if fixed + broke <= 1:
            probability = stats.multinomial.pmf(outcomes, examples, [fixed, broke, max(0.0, 1 - fixed - broke)])
            is_held = (intervals[:, 0] <= fixed - broke + 1e-9) & (fixed - broke - 1e-9 <= intervals[:, 1])
            assert probability[is_held].sum() >= 0.94, (fixed, broke)


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize(("seeds", "examples"), [(2, 6), (2, 500), (3, 100), (5, 20), (5, 500), (10, 6), (10, 500)])
def test_the_interval_holds_the_true_gain_as_often_as_it_says(world: str, seeds: int, examples: int) -> None:
    held, _, _ = coverage(WORLDS[world], seeds, examples, experiments=1000)
    assert held > 0.93  # three standard errors below 0.95; the whole table has more experiments


def test_seeds_alone_would_claim_too_much() -> None:
    held, held_by_seeds, _ = coverage(WORLDS["no gain, all seeds equal"], 5, 500, experiments=300)
    assert held > 0.9
    assert held_by_seeds < 0.2


@pytest.mark.parametrize("gains", [(0.02, 0.03, 0.04), (-0.02, -0.05), (0.3, 0.31, 0.33, 0.32)])
def test_the_p_value_is_where_the_interval_begins_to_hold_zero(gains: tuple[float, ...]) -> None:
    estimate = Estimate(gains, 0.1, 2000, (-1.0, 1.0))
    p = estimate.p_value
    wider, narrower = estimate.interval(1 - 0.98 * p), estimate.interval(1 - 1.02 * p)
    assert wider[0] < 0 < wider[1]
    assert not narrower[0] < 0 < narrower[1]
    low, high = estimate.interval()
    assert (p < 0.05) == (not low <= 0 <= high)


def test_the_p_value_of_no_difference_is_one_and_never_zero() -> None:
    assert Estimate((0.0, 0.0), 0.1, 500, (-1.0, 1.0)).p_value == 1.0
    assert Estimate((0.5, 0.5, 0.5), 0.25, 100_000, (-1.0, 1.0)).p_value == 1e-12


def test_an_accuracy_stays_between_zero_and_one() -> None:
    estimate = estimate_measure(runs(np.ones((2, 8), bool), np.ones((2, 8), bool)), "student", "accuracy")
    low, high = estimate.interval()
    assert 0 < low < high == 1.0


def test_a_recall_counts_the_examples_of_its_class() -> None:
    labels = torch.tensor([0] * 40 + [1] * 10)
    logits = torch.zeros(50, 2)
    logits[:40, 0] = logits[40:47, 1] = 1.0
    logits[47:, 0] = 1.0
    test = {role: compute_metrics(logits, labels, omitted=1) for role in ("student", "baseline")}
    estimate = estimate_gain([test, test], Comparison(measure="omitted"))
    assert estimate.examples == 10
    of_student = estimate_measure([test, test], "student", "omitted")
    assert (of_student.mean, of_student.examples) == (pytest.approx(0.7), 10)
    # Without the count it is the smallest that allows the stored fractions.
    stored = [{"student": {"omitted": 0.7}, "baseline": {"omitted": 0.25}}] * 2
    assert estimate_gain(stored, Comparison(measure="omitted")).examples == 20
