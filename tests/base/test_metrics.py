"""Tests of the metrics against scikit-learn and hand-computed values."""

import base64
import math

import pytest
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss, recall_score

from kd_core.base import metrics


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(200, 5, generator=torch.Generator().manual_seed(4)) * 2


@pytest.fixture
def labels() -> torch.Tensor:
    return torch.randint(0, 5, (200,), generator=torch.Generator().manual_seed(5))


def test_all_metrics_that_are_computed_have_names_that_no_added_one_can_have() -> None:
    labels = torch.tensor([0] * 9 + [1])  # unbalanced, which has further metrics
    logits = torch.eye(2)[labels]
    assert metrics.compute_metrics(logits, labels, logits, 0).keys() == metrics.STANDARD
    assert metrics.added_metrics({"accuracy": 0.5, "top_3": 0.75}) == {"top_3": 0.75}


def test_accuracy_and_loss_equal_scikit_learn(logits: torch.Tensor, labels: torch.Tensor) -> None:
    probabilities = logits.double().softmax(1)
    assert metrics.accuracy(logits, labels) == accuracy_score(labels, probabilities.argmax(1))
    assert metrics.nll(logits, labels) == pytest.approx(log_loss(labels, probabilities.numpy()), rel=1e-9)


def test_agreement_compares_with_the_teacher_and_not_with_the_labels(
    logits: torch.Tensor, labels: torch.Tensor
) -> None:
    assert metrics.agreement(logits, logits * 3) == 1.0
    assert metrics.agreement(logits, -logits) == 0.0


def test_entropy_is_ln_k_for_uniform_outputs_and_rises_with_temperature(logits: torch.Tensor) -> None:
    assert metrics.entropy(torch.zeros(3, 7)) == pytest.approx(math.log(7))
    assert metrics.entropy(logits, 1) < metrics.entropy(logits, 4) < math.log(5)


def test_the_calibration_error_equals_hand_computed_values() -> None:
    # Always 80 % sure (softmax of [ln 4, 0]) and right in 6 of 10: the error is 0.8 - 0.6.
    logits = torch.tensor([[math.log(4), 0.0]]).repeat(10, 1)
    labels = torch.tensor([0] * 6 + [1] * 4)
    assert metrics.calibration_error(logits, labels) == pytest.approx(0.2)
    # Certain and right: no error.
    assert metrics.calibration_error(torch.tensor([[50.0, 0.0]]), torch.tensor([0])) == pytest.approx(0, abs=1e-9)


def test_the_best_temperature_has_a_lower_loss_than_any_of_a_grid(logits: torch.Tensor, labels: torch.Tensor) -> None:
    noisy_labels = torch.where(
        torch.rand(200, generator=torch.Generator().manual_seed(6)) < 0.6, logits.argmax(1), labels
    )
    best = metrics.best_temperature(logits, noisy_labels, 0.1, 50)
    grid = [0.1 * 1.01**n for n in range(620)]
    losses = [metrics.nll(logits / temperature, noisy_labels) for temperature in grid]
    assert best == pytest.approx(grid[losses.index(min(losses))], rel=0.011)
    assert metrics.nll(logits / best, noisy_labels) <= min(losses)
    # Logits three times as large need three times the temperature.
    assert metrics.best_temperature(3 * logits, noisy_labels, 0.1, 50) == pytest.approx(3 * best, rel=1e-6)


def test_the_best_temperature_is_the_lowest_for_a_perfect_network_and_the_highest_for_a_wrong_one() -> None:
    logits, labels = torch.eye(3), torch.arange(3)
    assert metrics.best_temperature(logits, labels, 0.25, 64) == pytest.approx(0.25)
    assert metrics.best_temperature(-logits, labels, 0.25, 64) == pytest.approx(64)


def test_the_metrics_include_the_agreement_only_with_a_teacher(logits: torch.Tensor, labels: torch.Tensor) -> None:
    assert "agreement" not in metrics.compute_metrics(logits, labels)
    assert metrics.compute_metrics(logits, labels, logits)["agreement"] == 1.0


def test_unbalanced_classes_have_their_recalls_as_scikit_learn_has_them(logits: torch.Tensor) -> None:
    labels = torch.tensor([0] * 100 + [1] * 60 + [3] * 30 + [4] * 10)  # none of class 2
    predicted = logits.argmax(1)
    result = metrics.compute_metrics(logits, labels)
    present = torch.where(predicted == 2, 0, predicted)  # scikit-learn warns of predicted classes without examples
    present = torch.where((predicted == 2) & (labels == 0), 1, present)
    assert result["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels.numpy(), present.numpy()))
    expected = recall_score(labels.numpy(), predicted.numpy(), labels=[0, 1, 3, 4], average=None)
    assert [result["recalls"][label] for label in (0, 1, 3, 4)] == pytest.approx(expected.tolist())
    assert result["recalls"][2] is None


def test_classes_of_up_to_three_to_one_have_their_accuracy_alone(logits: torch.Tensor) -> None:
    assert "recalls" in metrics.compute_metrics(logits, torch.tensor([0] * 151 + [1] * 49))
    assert "recalls" not in metrics.compute_metrics(logits, torch.tensor([0] * 150 + [1] * 50))
    assert "recalls" not in metrics.compute_metrics(logits, torch.zeros(200, dtype=torch.long))


def test_the_bits_of_the_correct_examples_are_in_their_order(logits: torch.Tensor) -> None:
    labels = logits.argmax(1)
    labels[[0, 9]] = (labels[[0, 9]] + 1) % 5
    packed = base64.b64decode(metrics.compute_metrics(logits, labels)["correct"])
    bits = "".join(f"{byte:08b}" for byte in packed)
    assert bits == "0" + "1" * 8 + "0" + "1" * 190
