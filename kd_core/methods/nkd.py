"""Normalised distillation (NKD) with separate terms of the label and of the other classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from kd_core.base.options import number
from kd_core.methods import LossInputs, LossPart, WeightedMethod, temperature_option, weight_option
from kd_core.methods.dkd import other_logits


def nkd(
    student_logits: Tensor, teacher_logits: Tensor, labels: Tensor, gamma: float = 1.5, temperature: float = 1.0
) -> Tensor:
    """Return :func:`target_entropy` + γ · :func:`others_entropy` in nats, mean over the batch.

    Logits (B, K) and labels (B,); no gradient reaches the teacher's. Yang et al., "From Knowledge Distillation to
    Self-Knowledge Distillation" (2023), section 3. Both are cross-entropies: equal networks do not give 0.
    """
    others = others_entropy(student_logits, teacher_logits, labels, temperature)
    return target_entropy(student_logits, teacher_logits, labels) + gamma * others


def target_entropy(student_logits: Tensor, teacher_logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy with the labels, each weighted by the teacher's probability of it, both at T = 1."""
    confidence = (-F.cross_entropy(teacher_logits.detach(), labels, reduction="none")).exp()
    return (confidence * F.cross_entropy(student_logits, labels, reduction="none")).mean()


def others_entropy(student_logits: Tensor, teacher_logits: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Return T² times the cross-entropy of the distributions over the classes that are not the label; 0 for one."""
    log_q = F.log_softmax(other_logits(student_logits, labels) / temperature, dim=1)
    p = F.softmax(other_logits(teacher_logits.detach(), labels) / temperature, dim=1)
    return -(temperature**2) * (p * log_q).sum(1).mean()


@dataclass(frozen=True)
class Nkd(WeightedMethod):
    title: ClassVar[str] = "Normalised distillation (NKD)"
    aliases: ClassVar[tuple[str, ...]] = ("NKD",)
    summary: ClassVar[str] = (
        "Weigh each label by the teacher’s confidence in it, and match the other classes with probabilities that sum "
        "to one without the label."
    )
    family: ClassVar[str] = "response"
    paper: ClassVar[str] = "Yang et al. 2023, section 3"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{CE} - w\,\big(p_y \log q_y + \gamma\,T^2 \textstyle\sum_{k \ne y} \hat p_k \log \hat q_k"
        r"\big)"
    )
    requires: ClassVar[str] = "logits of both, labels"
    defaults_source: ClassVar[str] = (
        "The authors' code: γ 1.5, T 1, labels 1; its configuration for CIFAR-100 has γ 3.5 and T 3."
    )
    pitfall: ClassVar[str] = "It is a cross-entropy: the loss of a perfect student is the teacher's entropy, not 0."
    softens_targets: ClassVar[bool] = True

    temperature: float = temperature_option(1.0, "Divides the logits of both networks, of the other classes alone.")
    weight: float = weight_option(1.0, "both parts together")
    gamma: float = number(
        1.5, 0.0, 50.0, "Weight of the other classes.", step=0.1, label="Weight γ of the other classes", live=True
    )  # fmt: skip

    def latex_term(self) -> str:
        others = rf"{self.gamma:g} \cdot {self.temperature:g}^2 \cdot \mathrm{{CE}}(\hat p, \hat q)"
        return rf"(-p_y \log q_y + {others})"

    def parts(self, signals: LossInputs) -> list[LossPart]:
        arguments = (signals.student_logits, signals.teacher_logits, signals.labels)
        return [
            *self.common_parts(signals),
            LossPart("label", self.weight, target_entropy(*arguments)),
            LossPart("T²·others", self.weight * self.gamma, others_entropy(*arguments, self.temperature)),
        ]
