"""Multi-label classification as rows of yes and no, and its score against scikit-learn's."""

import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score
from torch.nn import functional as F

from kd_core.base.events import Failed, Finished, Validated
from kd_core.config.run import from_flat, read_flat
from kd_core.datasets import load
from kd_core.methods.soft_targets import soft_targets
from kd_core.tasks.multi_label import MultiLabel, mean_average_precision
from kd_core.training.loop import Trainer
from tools.testing.networks import outputs_for

SMALL = {"dataset": "several_digits", "teacher": "mlp", "labelled": "60", "epochs": "2", "teacher_epochs": "1"}


def random_outputs(examples: int = 7, classes: int = 4) -> torch.Tensor:
    return 3 * torch.randn(examples, classes, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_a_row_has_the_probability_of_yes_of_a_sigmoid() -> None:
    outputs = random_outputs()
    rows = MultiLabel(classes=4).rows(outputs)
    assert rows.shape == (28, 2)
    for temperature in (1.0, 3.0):
        yes = (rows / temperature).softmax(1)[:, 1].reshape(7, 4)
        torch.testing.assert_close(yes, (outputs / temperature).sigmoid())


def test_the_cross_entropy_of_rows_is_the_binary_one() -> None:
    task, outputs = MultiLabel(classes=4), random_outputs()
    labels = torch.randint(2, (7, 4), generator=torch.Generator().manual_seed(2))
    expected = F.binary_cross_entropy_with_logits(outputs, labels.double())
    assert task.loss(task.rows(outputs), task.row_labels(labels)) == pytest.approx(expected.item())


def test_soft_targets_of_rows_are_the_binary_divergence() -> None:
    task, student, teacher = MultiLabel(classes=4), random_outputs(), random_outputs(7, 4).flip(0)
    p, q = (teacher / 2).sigmoid(), (student / 2).sigmoid()
    expected = 4 * (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean()
    torch.testing.assert_close(soft_targets(task.rows(student), task.rows(teacher), 2.0), expected)


@pytest.mark.parametrize("rounded", [False, True])
def test_the_score_is_the_mean_average_precision_of_scikit_learn(rounded: bool) -> None:
    outputs = random_outputs(50, 5)
    outputs = outputs.round() if rounded else outputs  # with equal logits
    labels = torch.randint(2, (50, 5), generator=torch.Generator().manual_seed(3))
    task = MultiLabel(classes=5)
    expected = average_precision_score(labels.numpy(), outputs.numpy(), average="macro")
    assert task.score(task.rows(outputs), task.row_labels(labels)) == pytest.approx(expected)


def test_a_class_that_no_example_has_is_left_out_of_the_score() -> None:
    labels = torch.tensor([[1, 0], [0, 0]])
    assert mean_average_precision(torch.tensor([[1.0, 5.0], [0.0, 6.0]]), labels) == 1
    assert mean_average_precision(torch.zeros(2, 2), torch.zeros(2, 2)) == 0


def test_the_input_of_a_row_is_that_of_its_example() -> None:
    inputs = torch.arange(6.0)[:, None]
    assert MultiLabel(classes=4).row_inputs(inputs, torch.tensor([0, 3, 4, 23])).flatten().tolist() == [0, 0, 1, 5]


def test_an_image_has_the_labels_of_its_digits() -> None:
    data = load(from_flat({"dataset": "several_digits"}).dataset)
    counts = data.train.labels.sum(1)
    assert int(counts.min()) == 1
    assert int(counts.max()) == 3
    assert data.train.labels.double().mean(0).min() > 0.15


@pytest.mark.slow
def test_a_run_scores_its_networks_and_measures_them_on_the_test_set() -> None:
    events = list(Trainer(from_flat(SMALL)))
    assert not [event for event in events if isinstance(event, Failed)]
    assert all(not event.correct for event in events if isinstance(event, Validated))
    (finished,) = (event for event in events if isinstance(event, Finished))
    metrics = finished.test["student"]
    assert {"f1", "label_accuracy", "exact_match", "agreement"} <= set(metrics)
    assert metrics["examples"] == 0
    assert "correct" not in metrics
    assert 0 < metrics["accuracy"] < 1


@pytest.mark.slow
def test_the_measures_are_those_of_scikit_learn() -> None:
    data = load(from_flat(SMALL).dataset)
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 10))
    metrics = data.task.test_metrics(network, None, data, outputs_for(data))
    with torch.no_grad():
        answers = network(data.test.inputs) > 0
    assert metrics["f1"] == pytest.approx(f1_score(data.test.labels, answers, average="micro"))
    assert metrics["exact_match"] == pytest.approx((answers == data.test.labels).all(1).double().mean().item())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"method": "dist"}, "in multi-label classification each is a yes or no"),
        ({"method": "binary"}, "in multi-label classification each is a yes or no"),
        ({"wrong": "0.2"}, "has no classes of examples"),
        ({"scheme": "merge"}, "needs examples of one class each"),
        ({"scheme": "unlabelled", "confidence": "0.5"}, "Choose 0."),
    ],
)
def test_what_has_no_meaning_without_a_class_per_example_is_refused(changes: dict[str, str], sentence: str) -> None:
    config, errors = read_flat({**SMALL, **changes})
    assert any(sentence in error for error in errors), errors
    assert config.dataset.name == "several_digits"
