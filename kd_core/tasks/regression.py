"""Regression, one number or several for every example."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.tasks import Measure, Outputs, SplitData, Task


@dataclass(frozen=True)
class Regression(Task):
    """Prediction of numbers.

    Outputs and labels are (B, D), standardised by the training set; a label that is missing is NaN. There are no
    classes, and so neither probabilities nor a temperature.
    """

    title: ClassVar[str] = "Regression"
    summary: ClassVar[str] = "For every example a number is predicted; there are no classes and no temperature."
    script: ClassVar[str] = "predict.py"
    score_title: ClassVar[str] = "R²"
    loss_title: ClassVar[str] = "mean squared error"
    counts_rows: ClassVar[bool] = False
    has_class_rows: ClassVar[bool] = False
    default_method: ClassVar[str] = "logit_mse"
    measures: ClassVar[tuple[Measure, ...]] = (
        Measure(
            "rmse", "RMSE", "sd", is_better_high=False,
            meaning="Root of the mean squared error on the test set, in standard deviations of the training labels.",
        ),
        Measure(
            "rmse_true", "RMSE to the true function", "sd", is_better_high=False,
            meaning="The same against the labels without their noise, which are known of generated data.",
        ),
        Measure("rmse_units", "RMSE in its unit", is_better_high=False, meaning="The same in the unit of the data."),
    )  # fmt: skip

    def rows(self, outputs: Tensor) -> Tensor:
        return outputs

    def row_labels(self, labels: Tensor) -> Tensor:
        return labels

    def label_text(self, label: Tensor, data: SplitData) -> str:
        """Return the numbers of an example in their unit."""
        scale, centre = (torch.tensor(values, dtype=torch.float64) for values in (data.label_scale, data.label_centre))
        numbers = label.double() * scale + centre if len(scale) else label
        return ", ".join(f"{number:.4g}" for number in numbers.tolist())

    def is_labelled(self, labels: Tensor) -> Tensor:
        return ~labels.isnan()

    def unlabelled_like(self, labels: Tensor, count: int) -> Tensor:
        return torch.full((count, *labels.shape[1:]), torch.nan, dtype=labels.dtype)

    def answers(self, rows: Tensor) -> Tensor:
        return rows

    def labelled_rows(self, labels: Tensor) -> Tensor | slice:
        is_missing = labels.isnan().any(1)
        return ~is_missing if bool(is_missing.any()) else slice(None)

    def choose_followed(self, teacher_rows: Tensor | None, labels: Tensor, most: int) -> dict[int, int]:  # noqa: ARG002
        return {}  # there are no logits to be shown

    def score(self, rows: Tensor, labels: Tensor) -> float:
        """Return R², the fraction of the variance of the labels that is explained; below 0 it is worse than the mean.

        The mean over several numbers.
        """
        return r_squared(rows, labels)

    def chance(self, labels: Tensor) -> float:  # noqa: ARG002
        """Return the score of the mean label for every example."""
        return 0.0

    def loss(self, rows: Tensor, labels: Tensor) -> float:
        """Return the mean squared error."""
        return F.mse_loss(rows.double(), labels.double()).item()

    def agreement(self, rows: Tensor, teacher_rows: Tensor) -> float:
        """Return R² with the teacher's predictions in the place of labels, at least 0."""
        return max(0.0, r_squared(rows, teacher_rows))

    def test_metrics(
        self,
        network: nn.Module,
        teacher: nn.Module | None,  # noqa: ARG002
        data: SplitData,
        outputs: Outputs,
    ) -> Mapping[str, Any]:
        index = self.labelled_rows(data.test.labels)
        predictions, labels = outputs(network)[index], data.test.labels[index]
        metrics = {"rmse": rmse(predictions, labels)}
        if data.true_labels is not None:
            metrics["rmse_true"] = rmse(predictions, data.true_labels[index])
        if len(data.label_scale) == 1:
            metrics["rmse_units"] = data.label_scale[0] * metrics["rmse"]
        return metrics


def r_squared(predictions: Tensor, labels: Tensor) -> float:
    """Return 1 - (squared error / squared deviation from the mean), mean over D numbers; 0 for constant labels."""
    exact, predicted = labels.double(), predictions.double()
    error, spread = ((predicted - exact) ** 2).sum(0), ((exact - exact.mean(0)) ** 2).sum(0)
    return torch.where(spread > 0, 1 - error / spread.clamp(min=1e-300), 0.0).mean().item()


def rmse(predictions: Tensor, labels: Tensor) -> float:
    """Return the root of the mean squared difference."""
    return F.mse_loss(predictions.double(), labels.double()).sqrt().item()
