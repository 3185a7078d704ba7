"""Labels, soft targets and logit regression in one loss, each with its own weight."""

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
    """Return label_weight · CE + soft_weight · T² KL + logit_weight · MSE of the logits (B, K); labels (B,).

    Tang et al., "Distilling Task-Specific Knowledge from BERT into Simple Neural Networks" (2019), section 3.2, whose
    loss has no soft targets.
    """
    loss = label_weight * F.cross_entropy(student_logits, labels)
    loss = loss + soft_weight * soft_targets(student_logits, teacher_logits, temperature)
    return loss + logit_weight * logit_mse(student_logits, teacher_logits)


@dataclass(frozen=True)
class Mixed(WeightedMethod):
    title: ClassVar[str] = "Mixed: labels, soft targets, logits"
    summary: ClassVar[str] = "Weigh labels, soft targets and logit regression freely, to see which of them helps."
    family: ClassVar[str] = "response"
    paper: ClassVar[str] = "Tang et al. 2019, section 3.2"
    formula: ClassVar[str] = r"\lambda\,\mathrm{CE} + w_\text{soft}\,T^2\,\mathrm{KL} + w\,\mathrm{MSE}"
    requires: ClassVar[str] = "logits of both"
    defaults_source: ClassVar[str] = (
        "Ours: equal weights for both terms of the teacher, half of that for the labels; the paper has no soft targets."
    )
    pitfall: ClassVar[str] = "The weights need not sum to one: their sum also scales every gradient step."
    part_name: ClassVar[str] = "MSE"
    symbol: ClassVar[str] = r"\mathrm{MSE}(\text{student}, \text{teacher})"

    label_weight: float = label_weight_option(0.2)
    soft_weight: float = soft_weight_option(0.4)
    weight: float = weight_option(0.4, "the teacher’s logits")

    def distillation_loss(self, signals: LossInputs) -> Tensor:
        return logit_mse(signals.student_logits, signals.teacher_logits)
