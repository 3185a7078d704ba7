"""Logit regression, the mean squared error between the logits of student and teacher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from kd_core.base.options import boolean
from kd_core.methods import LossInputs, WeightedMethod, label_weight_option, weight_option


def logit_mse(student_logits: Tensor, teacher_logits: Tensor, centred: bool = False) -> Tensor:
    r"""Return the mean squared difference of the logits (B, K), unitless; no gradient reaches the teacher's.

    .. math:: \frac{1}{BK} \sum_n \sum_k (s_{nk} - t_{nk})^2

    ``centred`` subtracts the mean over the classes from both first, which softmax ignores. Ba & Caruana, "Do Deep Nets
    Really Need to be Deep?" (2014), section 2.2; they write the sum over the classes and half of it.
    """
    target = teacher_logits.detach()
    if centred:
        student_logits = student_logits - student_logits.mean(1, keepdim=True)
        target = target - target.mean(1, keepdim=True)
    return F.mse_loss(student_logits, target)


@dataclass(frozen=True)
class LogitMse(WeightedMethod):
    title: ClassVar[str] = "Logit regression"
    summary: ClassVar[str] = "Match the teacher's logits, without softmax and temperature."
    family: ClassVar[str] = "response"
    paper: ClassVar[str] = "Ba & Caruana 2014, section 2.2"
    formula: ClassVar[str] = r"\lambda\,\mathrm{CE} + w\,\mathrm{MSE}(\text{student}, \text{teacher})"
    requires: ClassVar[str] = "logits of both"
    defaults_source: ClassVar[str] = "The teacher alone, as in the paper."
    pitfall: ClassVar[str] = (
        "It also matches the mean of the logits, which has no effect on probabilities: centre them to leave it out."
    )
    part_name: ClassVar[str] = "MSE"
    symbol: ClassVar[str] = r"\mathrm{MSE}(\text{student}, \text{teacher})"
    takes_numbers: ClassVar[bool] = True

    label_weight: float = label_weight_option(0.0)
    weight: float = weight_option(1.0, "the teacher’s logits")
    centred: bool = boolean(False, "Subtract the mean over the classes from the logits of both networks first.")

    def distillation_loss(self, signals: LossInputs) -> Tensor:
        return logit_mse(signals.student_logits, signals.teacher_logits, self.centred)
