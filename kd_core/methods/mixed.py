"""Labels, soft targets and logit regression in one loss, each with a weight of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from kd_core.methods import LossInputs, WeightedMethod, label_weight_option, soft_weight_option, weight_option
from kd_core.methods.logit_mse import logit_mse
from kd_core.methods.soft_targets import soft_targets


def mixed(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    *,
    temperature: float,
    label_weight: float,
    soft_weight: float,
    logit_weight: float,
) -> Tensor:
    """label_weight · CE + soft_weight · T² KL + logit_weight · MSE of the logits (B, K); labels (B,).

    Tang et al., "Distilling Task-Specific Knowledge from BERT into Simple Neural Networks" (2019), section 3.2, whose
    loss has no soft part; with it, every corner of this family can be reached.
    """
    loss = label_weight * F.cross_entropy(student_logits, labels)
    loss = loss + soft_weight * soft_targets(student_logits, teacher_logits, temperature)
    return loss + logit_weight * logit_mse(student_logits, teacher_logits)


@dataclass(frozen=True)
class Mixed(WeightedMethod):
    title: ClassVar[str] = "Mixed: labels, soft targets, logits"
    summary: ClassVar[str] = (
        "Weigh labels, soft targets and logit regression freely, and see which of them carries the student."
    )
    family: ClassVar[str] = "response"
    paper: ClassVar[str] = "Tang et al. 2019, section 3.2"
    formula: ClassVar[str] = r"\lambda\,\mathrm{CE} + w_\text{soft}\,T^2\,\mathrm{KL} + w\,\mathrm{MSE}"
    requires: ClassVar[str] = "logits of both"
    defaults_source: ClassVar[str] = (
        "Ours: the two signals of the teacher alike, the labels half of that; the paper has no soft part."
    )
    pitfall: ClassVar[str] = "The weights need not sum to one: together they also set how long each step is."
    part_name: ClassVar[str] = "MSE"
    symbol: ClassVar[str] = r"\mathrm{MSE}(\text{student}, \text{teacher})"

    label_weight: float = label_weight_option(0.2)
    soft_weight: float = soft_weight_option(0.4)
    weight: float = weight_option(0.4, "the teacher’s logits")

    def distillation_loss(self, signals: LossInputs) -> Tensor:
        return logit_mse(signals.student_logits, signals.teacher_logits)
