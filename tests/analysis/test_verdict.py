"""Verdicts in words."""

import pytest
import torch

from kd_core.analysis.verdict import recall_table, signed, verdict
from kd_core.base.metrics import compute_metrics
from kd_core.config.comparison import Comparison


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


def test_two_seeds_that_agree_to_the_digit_are_no_significant_gain() -> None:
    result = verdict(finished([0.802, 0.802], [0.800, 0.800]))
    assert result.outcome == "open"
    assert result.p_value > 0.5
    assert "+0.2 points" in result.sentence
    assert "no significant difference" in result.sentence


def test_the_p_value_agrees_with_the_outcome() -> None:
    assert verdict(finished([0.85, 0.86, 0.84, 0.85], [0.80, 0.80, 0.79, 0.81])).p_value < 0.05
    assert verdict(finished([0.90], [0.80])).p_value is None


def test_an_end_of_an_interval_above_zero_is_not_written_as_zero() -> None:
    assert [signed(points) for points in (0.0, 1e-15, 0.04, -0.004, 0.06, -12.34)] == [
        "+0.0", "+0.0", "+0.04", "−0.004", "+0.1", "−12.3",
    ]  # fmt: skip


def unbalanced(right: int) -> dict:
    """Return the metrics of a network on 570 and 30 examples that classifies ``right`` of the rare ones correctly."""
    labels = torch.tensor([0] * 570 + [1] * 30)
    predicted = torch.tensor([0] * 570 + [1] * right + [0] * (30 - right))
    return compute_metrics(torch.eye(2)[predicted], labels)


def test_classes_of_unequal_size_have_their_balanced_accuracy_in_the_sentence() -> None:
    tests = [{"student": unbalanced(15), "baseline": unbalanced(0)}] * 2
    sentence = verdict(tests).sentence
    assert "balanced accuracy baseline 50.0 %, distilled 75.0 %; lowest recall of a class 0.0 % and 50.0 %." in sentence
    assert "balanced" in verdict(tests[:1]).sentence
    assert recall_table(tests[0], ["common", "rare"]) == {
        "common": {"student": 1.0, "baseline": 1.0}, "rare": {"student": 0.5, "baseline": 0.0},
    }  # fmt: skip
