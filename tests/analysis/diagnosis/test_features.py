"""Features of the diagnosis, compared with values worked out by hand."""

import math

import pytest
import torch

from kd_core.analysis.diagnosis.curve_features import CurveFeatures, read_curve_features
from kd_core.analysis.diagnosis.features import (
    extract_features,
    imitation_features,
    soft_target_features,
    teacher_of,
    temperature_of,
)
from kd_core.base.events import Adjusted, Event, Network, PhaseInfo, Prepared, Step, Validated
from kd_core.config.run import from_flat

CONFIG = from_flat({"dataset": "moons"})
TEST = {role: {"accuracy": 0.9, "examples": 2000.0} for role in ("teacher", "student", "baseline")}


def step(number: int, epoch: int, *losses: float, phase: str = "students") -> Step:
    labels, soft, control = losses
    parts = {"student": {"CE": [labels, labels], "T²·KL": [2 * soft, soft]}, "baseline": {"CE": [control, control]}}
    return Step(phase, number, epoch, parts, {"student": labels + soft, "baseline": control}, 0.01)


def evaluation(epoch: int, student: float, baseline: float, phase: str = "students") -> Validated:
    return Validated(phase, epoch, epoch, {"student": student, "baseline": baseline}, {}, {})


def test_curves_are_epoch_means_with_the_teachers_weighted_loss_of_the_first_epoch() -> None:
    events: list[Event] = [
        evaluation(0, 0.5, 0.5), step(1, 1, 1.0, 4.0, 2.0), step(2, 1, 1.0, 8.0, 1.0), evaluation(1, 0.6, 0.7),
        step(3, 2, 0.5, 14.5, 1.0), evaluation(2, 0.7, 0.7),
    ]  # fmt: skip
    curves = read_curve_features(events, ("student", "baseline")).curves
    assert curves["student"] == CurveFeatures((0.6, 0.7), (7.0, 15.0), 6.0, 3.0)
    assert curves["baseline"] == CurveFeatures((0.7, 0.7), (1.5, 1.0), 0.0, 1.0)


def test_a_later_phase_of_the_same_network_replaces_the_earlier_one() -> None:
    events: list[Event] = [
        step(1, 1, 1.0, 4.0, 2.0), evaluation(1, 0.6, 0.7), evaluation(0, 0.6, 0.7, "fine-tuning"),
        step(1, 1, 0.5, 0.0, 0.4, phase="fine-tuning"), evaluation(1, 0.9, 0.8, "fine-tuning"),
    ]  # fmt: skip
    assert read_curve_features(events, ("student",)).curves["student"] == CurveFeatures((0.9,), (0.5,), 0.0, 1.0)


def test_a_rise_is_that_of_the_last_quarter_over_the_one_before() -> None:
    assert CurveFeatures((0.1, 0.1, 0.1, 0.1, 0.4, 0.6, 0.7, 0.9)).rise == pytest.approx(0.3)
    assert CurveFeatures((0.1, 0.5, 0.9)).rise == 0  # too few evaluations
    assert CurveFeatures((0.9,) * 20).rise == 0


def test_a_rebound_is_the_furthest_rise_of_the_loss() -> None:
    assert CurveFeatures(loss=(4.0, 2.0, 3.0, 1.0, 2.5)).rebound == pytest.approx(1.5 / 4)
    assert CurveFeatures(loss=(4.0, 2.0, 1.0)).rebound == 0


def test_soft_targets_of_two_classes_have_a_closed_form() -> None:
    gap = 2.0  # of the two logits, for every example
    features = soft_target_features(torch.tensor([[gap, 0.0], [0.0, gap]]), 4.0)
    p = 1 / (1 + math.exp(-gap / 4))
    assert features.other_classes == pytest.approx(1 - p)
    assert features.entropy == pytest.approx(-(p * math.log(p) + (1 - p) * math.log(1 - p)) / math.log(2))
    # At T = 1 the first class has 0.88 and the entropy is 0.53 of ln 2; at T = 1.5 it is already 0.74.
    assert features.suggested_temperature == 1.0


def test_a_copy_of_the_teacher_leaves_no_divergence_and_a_constant_student_all_of_it() -> None:
    teacher = torch.tensor([[3.0, 0.0], [0.0, 3.0], [3.0, 0.0], [0.0, 3.0]])
    labels = torch.tensor([0, 1, 0, 1])
    same = imitation_features(teacher + 5, teacher, labels, 2.0)
    constant = imitation_features(torch.zeros(4, 2), teacher, labels, 2.0)
    assert (same.agreement, same.unmatched) == (1, 0)
    assert same.remaining == pytest.approx(0, abs=1e-9)
    assert constant.remaining == pytest.approx(1)
    assert constant.agreement == 0.5


def test_a_wrong_label_that_the_student_learned_is_a_match() -> None:
    teacher = torch.tensor([[3.0, 0.0], [0.0, 3.0]])
    imitation = imitation_features(torch.tensor([[0.0, 3.0], [3.0, 0.0]]), teacher, torch.tensor([1, 1]), 1.0)
    assert imitation.agreement == 0
    assert imitation.unmatched == 0.5


def test_a_temperature_changed_by_hand_is_the_one_that_counts() -> None:
    logits = {"teacher": torch.tensor([[2.0, 0.0]]), "student": torch.tensor([[1.0, 0.0]])}
    changed: list[Event] = [
        Adjusted("students", 3, "temperature", 4.0, 8.0),
        Adjusted("students", 5, "alpha", 0.9, 0.5),
    ]
    labels = torch.tensor([0])
    assert extract_features(CONFIG, [], {0: TEST}, logits, labels).soft_targets.temperature == 4
    assert extract_features(CONFIG, changed, {0: TEST}, logits, labels).soft_targets.temperature == 8


def test_parameters_are_those_that_the_run_reported() -> None:
    networks = [Network("teacher", "MLP", 500, 0, 0, ""), Network("student", "MLP", 50, 0, 0, "")]
    features = extract_features(CONFIG, [Prepared([], {}, networks, [PhaseInfo("students", [], 1, 1)])], {0: TEST})
    assert features.parameters == {"teacher": 500, "student": 50}
    assert features.soft_targets is None


@pytest.mark.parametrize(
    ("flat", "role"),
    [
        ({}, "teacher"), ({"assistants": "2"}, "assistant 2"), ({"scheme": "ensemble"}, "teacher"),
        ({"scheme": "mutual"}, ""), ({"scheme": "teacher_free"}, ""), ({"alpha": "0"}, ""),
    ],
)  # fmt: skip
def test_the_teacher_is_a_network_of_an_earlier_phase(flat: dict[str, str], role: str) -> None:
    assert teacher_of(from_flat({"dataset": "moons", **flat})) == role


@pytest.mark.parametrize(
    ("flat", "temperature"),
    [
        ({"temperature": "6"}, 6.0), ({"alpha": "0"}, None), ({"method": "logit_mse"}, None),
        ({"method": "logit_mse", "soft_weight": "0.5", "temperature": "3"}, 3.0), ({"method": "dist"}, 4.0),
    ],
)  # fmt: skip
def test_a_temperature_counts_only_where_it_softens_something(flat: dict[str, str], temperature: float | None) -> None:
    assert temperature_of(from_flat({"dataset": "digits", **flat}).method) == temperature


def test_a_run_without_a_test_is_refused() -> None:
    with pytest.raises(ValueError, match="finished run"):
        extract_features(CONFIG, [], {})
