"""Weighted soft targets (WSLD), fewer of them where the student already knows the label better than the teacher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from kd_core.methods import LossInputs, WeightedMethod, log_softmax, temperature_option, weight_option

EPSILON = 1e-7


def wsld(student_logits: Tensor, teacher_logits: Tensor, labels: Tensor, temperature: float) -> Tensor:
    r"""Return T² times the weighted cross-entropy with the teacher's distribution at T in nats, mean over the batch.

    .. math:: w_n = 1 - \exp(-\mathrm{CE}^s_n / (\mathrm{CE}^t_n + 10^{-7}))

    The weight of an example compares the cross-entropies of both networks with its label, at T = 1: near 0 where the
    student's is far smaller, near 1 where it is larger. It is a constant for the gradient. Logits (B, K) and labels
    (B,); no gradient reaches the teacher's. Zhou et al., "A Bias-Variance Tradeoff Perspective" (2021).
    """
    teacher_logits = teacher_logits.detach()
    student, teacher = (
        F.cross_entropy(logits, labels, reduction="none") for logits in (student_logits.detach(), teacher_logits)
    )
    weights = -(-student / (teacher + EPSILON)).expm1()
    p, log_q = (teacher_logits / temperature).softmax(1), log_softmax(student_logits / temperature)
    return -(temperature**2) * (weights * (p * log_q).sum(1)).mean()


@dataclass(frozen=True)
class Wsld(WeightedMethod):
    title: ClassVar[str] = "Weighted soft targets (WSLD)"
    aliases: ClassVar[tuple[str, ...]] = ("WSLD",)
    summary: ClassVar[str] = (
        "Give an example’s soft targets less weight where the student is already surer of the label than the teacher."
    )
    family: ClassVar[str] = "response"
    paper: ClassVar[str] = "Zhou et al. 2021"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{CE} + w\,T^2 \big(1 - e^{-\mathrm{CE}_\text{student} / \mathrm{CE}_\text{teacher}}\big)\,"
        r"\mathrm{CE}(\text{teacher}, \text{student})"
    )
    requires: ClassVar[str] = "logits of both, labels"
    defaults_source: ClassVar[str] = (
        "The code of NKD's authors for CIFAR-100: T 4, weight 2.25, labels 1; for ImageNet T 2, weight 2.5."
    )
    pitfall: ClassVar[str] = "The weight must have no gradient, or the student learns to make it small."
    part_name: ClassVar[str] = "T²·weighted CE"
    softens_targets: ClassVar[bool] = True

    temperature: float = temperature_option(4.0, "Divides the logits of both networks before softmax.")
    weight: float = weight_option(2.25, "the weighted soft targets")

    def latex_term(self) -> str:
        return rf"{self.temperature:g}^2 \cdot w_n \cdot \mathrm{{CE}}_{{T={self.temperature:g}}}"

    def distillation_loss(self, signals: LossInputs) -> Tensor:
        return wsld(signals.student_logits, signals.teacher_logits, signals.labels, self.temperature)
