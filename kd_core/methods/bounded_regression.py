"""Teacher as an upper bound of a regression, which counts only where the student is worse than it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from kd_core.base.options import choice, number
from kd_core.methods import LossInputs, WeightedMethod, label_weight_option, weight_option

ROW, ELEMENT = "row", "element"


def bounded_regression(
    predictions: Tensor, teacher_predictions: Tensor, labels: Tensor, margin: float = 0.0, compared: str = ROW
) -> Tensor:
    r"""Return the squared error of the student where it is worse than the teacher's, else 0, mean over the batch.

    .. math:: \frac{1}{B} \sum_n \lVert s_n - y_n \rVert^2\,
        \bigl[\lVert s_n - y_n \rVert^2 + m > \lVert t_n - y_n \rVert^2\bigr]

    All are (B, D); no gradient reaches the teacher or goes through the condition. With ``compared`` "element" each
    number has a condition of its own, and the mean is over all numbers. Chen et al., "Learning Efficient Object
    Detection Models with Knowledge Distillation" (2017), equation 5.
    """
    error, bound = (predictions - labels).square(), (teacher_predictions.detach() - labels).square()
    if compared == ROW:
        error, bound = error.sum(1), bound.sum(1)
    return torch.where(error.detach() + margin > bound, error, 0.0).mean()


@dataclass(frozen=True)
class BoundedRegression(WeightedMethod):
    title: ClassVar[str] = "Teacher as upper bound"
    summary: ClassVar[str] = "An example counts twice while the student is further from its number than the teacher."
    family: ClassVar[str] = "response"
    paper: ClassVar[str] = "Chen et al. 2017, equation 5"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{MSE}(\text{labels}) + w\,\lVert s - y \rVert^2\,"
        r"[\lVert s - y \rVert^2 + m > \lVert t - y \rVert^2]"
    )
    requires: ClassVar[str] = "numbers to be predicted, as in a regression"
    defaults_source: ClassVar[str] = "Equal weights and margin 0; the paper has weight 0.5 for boxes."
    pitfall: ClassVar[str] = "The student never sees the teacher's numbers, so noise in the labels stays."
    part_name: ClassVar[str] = "bounded MSE"
    symbol: ClassVar[str] = r"\lVert s - y \rVert^2\,[\lVert s - y \rVert^2 + m > \lVert t - y \rVert^2]"
    takes_classes: ClassVar[bool] = False
    takes_numbers: ClassVar[bool] = True

    label_weight: float = label_weight_option(0.5)
    weight: float = weight_option(0.5, "the bounded error")
    margin: float = number(0.0, 0.0, 10.0, "Margin m by which the student must be better to be left alone.", step=0.05)
    compared: str = choice(ROW, (ROW, ELEMENT), "Whether all numbers of an example, or each of them, are compared.")

    def distillation_loss(self, signals: LossInputs) -> Tensor:
        # In the place of a missing label is the teacher's number, of which the student is never better.
        return bounded_regression(
            signals.student_logits, signals.teacher_logits, signals.labels, self.margin, self.compared
        )
