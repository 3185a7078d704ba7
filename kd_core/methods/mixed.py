"""Labels, soft targets and logit regression in one loss, each with a weight of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from kd_core.methods import Method, Part, Signals, label_part, sum_of
from kd_core.methods.logit_mse import logit_mse
from kd_core.methods.soft_targets import soft_targets
from kd_core.options import number


def mixed(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    temperature: float,
    label_weight: float,
    soft_weight: float,
    logit_weight: float,
) -> Tensor:
    """label_weight · CE + soft_weight · T² KL + logit_weight · MSE of the logits (B, K); labels (B,).

    Tang et al., "Distilling Task-Specific Knowledge from BERT into Simple Neural Networks" (2019), section 3.2, whose loss
    has no soft part; with it, every corner of this family can be reached.
    """
    loss = label_weight * F.cross_entropy(student_logits, labels)
    loss = loss + soft_weight * soft_targets(student_logits, teacher_logits, temperature)
    return loss + logit_weight * logit_mse(student_logits, teacher_logits)


@dataclass(frozen=True)
class Mixed(Method):
    title: ClassVar[str] = "Mixed: labels, soft targets, logits"
    idea: ClassVar[str] = "Weigh labels, soft targets and logit regression freely, and see which of them carries the student."
    family: ClassVar[str] = "response"
    paper: ClassVar[str] = "Tang et al. 2019, section 3.2"
    formula: ClassVar[str] = r"w_1\,\mathrm{CE} + w_2\,T^2\,\mathrm{KL} + w_3\,\mathrm{MSE}"
    trap: ClassVar[str] = "The weights need not sum to one: together they also set how long each step is."

    temperature: float = number(
        4.0, 0.5, 20.0, "Of the soft targets.", step=0.1, label="Temperature T",
        ends=("sharper than trained", "almost uniform"), live=True, log=True,
    )  # fmt: skip
    label_weight: float = number(0.5, 0.0, 10.0, "Weight of the cross-entropy with the labels.", step=0.1, live=True)
    soft_weight: float = number(0.0, 0.0, 10.0, "Weight of the soft targets.", step=0.1, live=True)
    logit_weight: float = number(0.5, 0.0, 10.0, "Weight of the logit regression.", step=0.1, live=True)

    def in_numbers(self) -> str:
        return sum_of(
            (self.label_weight, r"\mathrm{CE}"),
            (self.soft_weight, rf"{self.temperature:g}^2 \cdot \mathrm{{KL}}"),
            (self.logit_weight, r"\mathrm{MSE}"),
        )

    def parts(self, signals: Signals) -> list[Part]:
        return [
            label_part(signals.student_logits, signals.labels, self.label_weight),
            Part("T²·KL", self.soft_weight, soft_targets(signals.student_logits, signals.teacher_logits, self.temperature)),
            Part("MSE", self.logit_weight, logit_mse(signals.student_logits, signals.teacher_logits)),
        ]
