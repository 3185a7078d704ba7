"""Transformed teacher matching (TTM, WTTM), a power of the teacher's probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from kd_core.base.options import boolean, number
from kd_core.methods import LossInputs, WeightedMethod, log_softmax, weight_option
from kd_core.methods.divergence import relative_entropy


def transformed_teacher(
    student_logits: Tensor, teacher_logits: Tensor, gamma: float = 0.1, weighted: bool = False
) -> Tensor:
    r"""Return KL(u ‖ q) in nats, mean over the batch, with u a power of the teacher's probabilities.

    .. math:: u_k = p_k^\gamma / \textstyle\sum_j p_j^\gamma

    The power is that of a temperature 1 / γ, which divides the teacher's logits alone. ``weighted`` multiplies each
    example by Σ p^γ, which is larger where the teacher is less sure (WTTM). Logits (B, K); no gradient reaches the
    teacher's. Zheng & Yang, "Knowledge Distillation Based on Transformed Teacher Matching" (2024).
    """
    powers = gamma * log_softmax(teacher_logits.detach())
    losses = relative_entropy(log_softmax(powers), log_softmax(student_logits)).sum(1)
    return (powers.logsumexp(1).exp() * losses).mean() if weighted else losses.mean()


@dataclass(frozen=True)
class TransformedTeacher(WeightedMethod):
    title: ClassVar[str] = "Transformed teacher (TTM, WTTM)"
    aliases: ClassVar[tuple[str, ...]] = ("TTM", "WTTM")
    summary: ClassVar[str] = (
        "Soften the teacher alone: a student that is not divided by T has to become smoother itself."
    )
    family: ClassVar[str] = "response"
    paper: ClassVar[str] = "Zheng & Yang 2024"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{CE} + w\,\mathrm{KL}(p^\gamma / U \parallel q),\;"
        r" U = \textstyle\sum_k p_k^\gamma"
    )
    requires: ClassVar[str] = "logits of both"
    defaults_source: ClassVar[str] = (
        "The authors' example for TTM on CIFAR-100: γ 0.1, weight 45, labels 1. Their only weight for WTTM is 4, with "
        "γ 0.2 and beside CRD."
    )
    pitfall: ClassVar[str] = (
        "The sum of the powers, by which WTTM weighs an example, is almost K for a small γ: a weight for TTM does not "
        "carry over."
    )
    part_name: ClassVar[str] = "KL(u)"

    weight: float = weight_option(45.0, "the transformed teacher")
    gamma: float = number(
        0.1, 0.02, 2.0, "Power of the teacher’s probabilities; 0.1 is a temperature of 10 for the teacher alone.",
        step=0.02, label="Power γ", ends=("almost uniform", "sharper than trained"), live=True,
    )  # fmt: skip
    weighted: bool = boolean(False, "Weigh each example by the sum of the powers (WTTM), or all alike (TTM).")

    def latex_term(self) -> str:
        factor = r"U\," if self.weighted else ""
        return rf"{factor}\mathrm{{KL}}(p^{{{self.gamma:g}}} / U \parallel q)"

    def distillation_loss(self, signals: LossInputs) -> Tensor:
        return transformed_teacher(signals.student_logits, signals.teacher_logits, self.gamma, self.weighted)
