"""Judgements on claims, against numbers computed by hand and by NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from kd_core.analysis.verdict import judge
from kd_core.base.metrics import compute_metrics
from kd_core.config.claims import MORE, Claim, Contrast, Expectation, gain, network, within


def claim(contrast: Contrast, expected: Expectation = MORE) -> Claim:
    families = {term.family: {"dataset": "digits"} for term in contrast.terms}
    return Claim("It helps.", "Doe 2026", "Teachers", families, contrast, expected, "Because.", name="it_helps")


def metrics(correct: np.ndarray) -> dict[str, Any]:
    """Return the stored metrics of a network that classifies these examples correctly."""
    logits = torch.tensor([[0.0, 1.0], [1.0, 0.0]])[torch.tensor(correct).long()]
    return compute_metrics(logits, torch.zeros(len(correct), dtype=torch.long))


def masks(seeds: int, examples: int, accuracy: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((seeds, examples)) < accuracy


def results(**networks: Mapping[str, np.ndarray]) -> dict[str, dict[int, dict[str, Any]]]:
    """Return test metrics by family and seed from masks (seeds, examples) by role."""
    return {
        family: {
            seed: {role: metrics(rows[seed]) for role, rows in roles.items()}
            for seed in range(len(next(iter(roles.values()))))
        }
        for family, roles in networks.items()
    }


def test_the_estimate_is_the_weighted_sum_of_the_accuracies() -> None:
    one = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], bool)  # 75 % and 50 %
    two = np.array([[1, 0, 0, 0], [1, 1, 0, 0]], bool)  # 25 % and 50 %
    tests = results(few={"student": one, "baseline": two}, many={"student": two, "baseline": two})
    assert judge(claim(gain("few")), tests).estimate == pytest.approx(25)
    assert judge(claim(gain("few") - gain("many")), tests).estimate == pytest.approx(25)
    half = network("few") - 0.5 * network("few", "baseline") - 0.5 * network("many")
    judgement = judge(claim(half), tests)
    assert judgement.estimate == pytest.approx(25)
    assert judgement.values == pytest.approx((62.5, 37.5, 37.5))


def test_the_interval_of_a_difference_of_gains_is_that_of_its_values_by_seed_and_by_example() -> None:
    rows = [masks(20, 4000, accuracy, seed) for seed, accuracy in enumerate((0.9, 0.8, 0.95, 0.93))]
    tests = results(few={"student": rows[0], "baseline": rows[1]}, many={"student": rows[2], "baseline": rows[3]})
    judgement = judge(claim(gain("few") - gain("many")), tests)
    difference = (rows[0].astype(float) - rows[1]) - (rows[2].astype(float) - rows[3])  # (seeds, examples)
    by_seed, by_example = difference.mean(1), difference.mean(0)
    half = np.hypot(stats.t.ppf(0.975, 19) * by_seed.std(ddof=1) / np.sqrt(20), 1.96 * by_example.std() / np.sqrt(4000))
    centre = 100 * difference.mean()
    assert judgement.interval == pytest.approx((centre - 100 * half, centre + 100 * half), abs=0.06)


def test_a_common_difficulty_of_the_test_examples_cancels() -> None:
    easy = np.tile(np.random.default_rng(0).random(500) < 0.8, (5, 1))
    better = easy | masks(5, 500, 0.1, 1)
    paired = judge(claim(network("a") - network("b")), results(a={"student": better}, b={"student": easy}))
    independent = judge(
        claim(network("a") - network("b")), results(a={"student": better}, b={"student": np.roll(easy, 1, 1)})
    )
    width = [high - low for low, high in (paired.interval, independent.interval)]
    assert paired.outcome == "holds"
    assert width[0] < 0.6 * width[1]


def test_the_sentence_has_the_networks_the_interval_and_the_outcome() -> None:
    tests = results(a={"student": masks(5, 500, 0.9, 0), "baseline": masks(5, 500, 0.5, 1)})
    judgement = judge(claim(gain("a"), within(2)), tests)
    assert judgement.outcome == "fails"
    assert judgement.sentence.startswith(f"A: student {judgement.values[0]:.1f} %, baseline {judgement.values[1]:.1f}")
    assert "Over 5 seeds +" in judgement.sentence
    assert "expected within ±2 points, and the interval lies outside, so the claim does not" in judgement.sentence
    assert "—" not in judgement.sentence


def test_seeds_that_one_family_lacks_are_left_out_of_all() -> None:
    tests = results(a={"student": masks(5, 100, 0.9, 0)}, b={"student": masks(5, 100, 0.5, 1)})
    del tests["b"][4]
    assert judge(claim(network("a") - network("b")), tests).seeds == 4


def test_fewer_than_two_common_seeds_and_unknown_networks_are_refused() -> None:
    tests = results(a={"student": masks(1, 100, 0.9, 0)})
    with pytest.raises(ValueError, match="two seeds"):
        judge(claim(network("a")), tests)
    with pytest.raises(ValueError, match="two seeds"):
        judge(claim(network("a") - network("b")), tests)
    tests = results(a={"student": masks(3, 100, 0.9, 0)})
    with pytest.raises(ValueError, match="no test result called 'exit 7'"):
        judge(claim(network("a", "exit 7")), tests)
