"""Regression without classes, from the loss with labels to the score."""

import math

import pytest
import torch
from sklearn.datasets import make_friedman1
from sklearn.metrics import r2_score, root_mean_squared_error

from kd_core.base.events import Failed, Finished, Pinned, Step, Validated
from kd_core.config.run import from_flat, read_flat
from kd_core.datasets import load
from kd_core.methods import LossInputs, label_part, total_loss
from kd_core.methods.bounded_regression import bounded_regression
from kd_core.methods.logit_mse import LogitMse
from kd_core.tasks.regression import Regression
from kd_core.training.loop import Trainer
from tools.testing.golden import Golden
from tools.testing.networks import outputs_for

SMALL = {"dataset": "friedman", "epochs": "2", "teacher_epochs": "1"}
VARIANTS = {"row_m0": (0.0, "row"), "row_m0.1": (0.1, "row"), "element_m0": (0.0, "element")}
CASES = [(variant, draw) for variant in VARIANTS for draw in Golden("reg_bound").draws(variant)]


@pytest.mark.parametrize(("variant", "draw"), CASES)
def test_the_upper_bound_equals_its_reference(variant: str, draw: str) -> None:
    margin, compared = VARIANTS[variant]
    Golden("reg_bound").check(
        draw,
        variant,
        lambda inputs: bounded_regression(
            inputs["student_out"], inputs["teacher_out"], inputs["target"], margin, compared
        ),
    )


def numbers(seed: int, examples: int = 40, targets: int = 2) -> torch.Tensor:
    return torch.randn(examples, targets, generator=torch.Generator().manual_seed(seed))


def test_the_score_is_r_squared_of_scikit_learn_and_may_be_negative() -> None:
    labels, task = numbers(0), Regression()
    for predictions in (numbers(1), labels + 0.1 * numbers(2)):
        assert task.score(predictions, labels) == pytest.approx(r2_score(labels.numpy(), predictions.numpy()), rel=1e-5)
    assert task.score(numbers(1), labels) < 0
    assert task.score(labels.mean(0).expand(40, 2), labels) == pytest.approx(0, abs=1e-6)
    assert task.score(labels, labels) == 1


def test_the_part_of_numbers_is_their_mean_squared_error_over_labelled_examples() -> None:
    predictions, labels = numbers(0), numbers(1)
    assert label_part(predictions, labels).name == "MSE(labels)"
    assert label_part(predictions, labels).value.item() == pytest.approx(((predictions - labels) ** 2).mean().item())
    has_label = torch.arange(40) < 10
    value = label_part(predictions, labels, 1.0, has_label).value.item()
    assert value == pytest.approx(((predictions - labels)[:10] ** 2).mean().item())


def test_logit_regression_mixes_labels_and_teacher() -> None:
    student, teacher, labels = numbers(0), numbers(1), numbers(2)
    loss = total_loss(LogitMse(label_weight=0.3, weight=0.7).parts(LossInputs(student, labels, teacher)))
    expected = 0.3 * ((student - labels) ** 2).mean() + 0.7 * ((student - teacher) ** 2).mean()
    assert loss.item() == pytest.approx(expected.item())


def test_a_missing_number_is_not_a_number() -> None:
    task = Regression()
    missing = task.unlabelled_like(numbers(0), 3)
    assert missing.shape == (3, 2)
    assert not task.is_labelled(missing).any()
    labels = torch.cat([missing, numbers(0)[:2]])
    assert task.labelled_rows(labels).tolist() == [False, False, False, True, True]


def test_the_function_is_that_of_scikit_learn_and_noise_changes_labels_alone() -> None:
    exact, noisy = (load(from_flat({"dataset": "friedman", "dataset_noise": noise}).dataset) for noise in ("0", "1"))
    _, values = make_friedman1(6500, 10, random_state=0)
    true = exact.label_centre[0] + exact.label_scale[0] * exact.test.labels[:, 0]
    assert true.tolist() == pytest.approx(values[-1500:].tolist(), rel=1e-5)
    assert torch.equal(exact.test.labels, noisy.true_labels)
    assert torch.equal(exact.train.inputs, noisy.train.inputs)
    assert (noisy.test.labels - exact.test.labels).std().item() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("changes", [
    {}, {"method": "bounded_regression"}, {"method": "hints"}, {"method": "contrastive"},
    {"scheme": "unlabelled"}, {"scheme": "ensemble"}, {"scheme": "mutual"}, {"scheme": "born_again"},
])  # fmt: skip
@pytest.mark.slow
def test_a_run_predicts_numbers_from_end_to_end(changes: dict[str, str]) -> None:
    events = list(Trainer(from_flat({**SMALL, **changes})))
    assert not [event for event in events if isinstance(event, Failed)]
    assert not [event for event in events if isinstance(event, Pinned)]
    assert all(math.isfinite(one) for event in events if isinstance(event, Step) for one in event.loss.values())
    assert any(isinstance(event, Validated) for event in events)
    metrics = events[-1].test["student"] if isinstance(events[-1], Finished) else {}
    assert metrics["accuracy"] == pytest.approx(1 - metrics["loss"] / 2.04, abs=0.05)
    assert metrics["rmse"] == pytest.approx(metrics["loss"] ** 0.5)
    assert metrics["rmse_true"] < metrics["rmse"]
    assert metrics["rmse_units"] == pytest.approx(4.88 * metrics["rmse"], rel=0.01)
    assert metrics["examples"] == 0
    assert not {"calibration_error", "entropy", "correct", "recalls"} & set(metrics)


def test_the_measures_are_those_of_scikit_learn() -> None:
    data = load(from_flat(SMALL).dataset)
    torch.manual_seed(0)
    network = torch.nn.Linear(10, 1)
    with torch.no_grad():
        predictions = network(data.test.inputs)
    metrics = data.task.test_metrics(network, None, data, outputs_for(data))
    assert metrics["rmse"] == pytest.approx(root_mean_squared_error(data.test.labels, predictions), rel=1e-5)
    assert metrics["rmse_true"] == pytest.approx(root_mean_squared_error(data.true_labels, predictions), rel=1e-5)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"method": "soft_targets"}, "there are neither probabilities nor a temperature. Choose bounded_regression or"),
        ({"method": "hints", "soft_weight": "1"}, "Choose soft_weight = 0"),
        ({"teacher_smoothing": "0.1"}, "no classes over which labels could be spread"),
        ({"scheme": "missing_class"}, "needs examples of one class each, and regression has no such classes"),
        ({"scheme": "on_policy"}, "cannot write any"),
        ({"omitted": "y"}, "regression has no classes of examples"),
    ],
)
def test_what_needs_classes_is_refused_with_what_works(changes: dict[str, str], sentence: str) -> None:
    config, errors = read_flat({**SMALL, **changes})
    assert any(sentence in error for error in errors), errors
    assert config.method.takes_numbers


def test_the_upper_bound_is_refused_for_classes() -> None:
    with pytest.raises(ValueError, match="compares predicted numbers, and classification has classes"):
        from_flat({"dataset": "digits", "method": "bounded_regression"})


@pytest.mark.slow
def test_an_ensemble_of_regressions_is_the_mean_of_their_numbers() -> None:
    training = Trainer(from_flat({**SMALL, "scheme": "ensemble"}))
    finished = list(training)[-1]
    assert isinstance(finished, Finished)
    teachers = [finished.test_accuracy[f"teacher {number}"] for number in (1, 2, 3)]
    assert finished.test_accuracy["teacher"] > min(teachers)  # by convexity the error of a mean is below the mean error
