"""Networks composed of others, and averages of logits."""

import pytest
import torch
from torch.nn import functional as F

from kd_core.config.derived_networks import calibrate
from kd_core.datasets import Split
from kd_core.methods.soft_targets import soft_targets
from kd_core.nn.composite import (
    UNKNOWN,
    average_answers,
    average_logits,
    average_probabilities,
    merge_logits,
    prior_matching_bias,
)
from tools.testing.golden import Golden


def test_three_ways_to_average_teachers_equal_the_references() -> None:
    golden, draw = Golden("ensemble_teachers"), "normal"
    inputs = golden.inputs(draw, torch.float64)
    student = inputs["student_logits"].requires_grad_()
    teachers = [value for name, value in inputs.items() if name.startswith("teacher_logits")]
    assert len(teachers) == 3
    rules = {
        "avg_probs": lambda: soft_targets(student, average_probabilities(teachers, (), 4.0), 4.0),
        "avg_logits": lambda: soft_targets(student, average_logits(teachers), 4.0),
        "avg_loss": lambda: sum(soft_targets(student, teacher, 4.0) for teacher in teachers) / 3,
    }
    for rule, loss in rules.items():
        (gradient,) = torch.autograd.grad(loss(), student)
        expected = golden.values[f"{draw}__{rule}_T4__loss"].item()
        assert loss().item() == pytest.approx(expected, rel=1e-9)
        expected_gradient = torch.from_numpy(golden.values[f"{draw}__{rule}_T4__grad__student_logits"])
        torch.testing.assert_close(gradient, expected_gradient, rtol=1e-9, atol=1e-12)


def test_a_weight_of_one_teacher_alone_is_that_teacher() -> None:
    teachers = list(torch.randn(3, 6, 4, dtype=torch.float64))
    only = average_probabilities(teachers, (0.0, 2.0, 0.0), 3.0)
    torch.testing.assert_close((only / 3).softmax(1), (teachers[1] / 3).softmax(1))
    torch.testing.assert_close(average_logits(teachers, (0.0, 2.0, 0.0)), teachers[1])


def test_a_loud_teacher_does_not_win_by_its_scale() -> None:
    """The same answers ten times as loud, calibrated, give the same network."""
    chance = torch.Generator().manual_seed(0)
    labels = torch.arange(400) % 4
    quiet = torch.full((400, 4), UNKNOWN)
    quiet[:, :2] = 2 * F.one_hot(labels, 4)[:, :2] + torch.randn(400, 2, generator=chance)
    other = torch.full((400, 4), UNKNOWN)
    other[:, 2:] = 2 * F.one_hot(labels, 4)[:, 2:] + torch.randn(400, 2, generator=chance)
    loud = torch.where(quiet > UNKNOWN, 10 * quiet, quiet)
    split = Split(torch.zeros(400, 1), labels)
    merged = [merge_logits([first, other], *calibrate([first, other], split)) for first in (quiet, loud)]
    torch.testing.assert_close(merged[0], merged[1], rtol=1e-3, atol=1e-3)
    shouted = merge_logits([loud, other], (1, 1), (0, 0))
    assert (shouted.argmax(1) < 2).float().mean() > (merged[1].argmax(1) < 2).float().mean() + 0.1


def test_a_corrected_class_is_answered_as_often_as_it_occurs() -> None:
    chance = torch.Generator().manual_seed(1)
    logits, labels = torch.randn(500, 5, generator=chance), torch.randint(0, 5, (500,), generator=chance)
    logits[:, 2] -= 4
    bias = prior_matching_bias(logits, labels, 2)
    logits[:, 2] += bias
    assert (logits.argmax(1) == 2).sum() == (labels == 2).sum()


def test_an_average_of_answers_has_the_mean_of_their_probabilities() -> None:
    first, second = torch.tensor([[0.5, -3.0, 40.0]]), torch.tensor([[2.0, -1.0, -40.0]])
    expected = 0.25 * first.sigmoid() + 0.75 * second.sigmoid()
    torch.testing.assert_close(average_answers([first, second], [1, 3]).sigmoid(), expected)
