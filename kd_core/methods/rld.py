"""Refined logits (RLD), which never teach that a wrong class is likelier than the label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from kd_core.base.options import boolean, integer, number
from kd_core.methods import TEMPERATURE_RANGE, LossInputs, LossPart, WeightedMethod, temperature_option, weight_option
from kd_core.methods.divergence import relative_entropy
from kd_core.methods.dkd import two_way
from kd_core.methods.logit_standardization import z_score


def sample_confidence(
    student_logits: Tensor, teacher_logits: Tensor, labels: Tensor, temperature: float = 1.0, standardised: bool = False
) -> Tensor:
    """Return T² · KL of the two-way distributions in nats, mean over the batch.

    The teacher's are (its top class, everything else), whatever the label; the student's (the label, everything else).
    Logits (B, K) and labels (B,); no gradient reaches the teacher's. ``standardised`` takes z-scores of both first. Sun
    et al., "Knowledge Distillation with Refined Logits" (2024), sample confidence distillation.
    """
    student, teacher = prepared(student_logits, teacher_logits.detach(), standardised)
    log_p = two_way(teacher / temperature, teacher.argmax(1))
    log_q = two_way(student / temperature, labels)
    return temperature**2 * relative_entropy(log_p, log_q).sum(1).mean()


def masked_correlation(
    student_logits: Tensor, teacher_logits: Tensor, labels: Tensor, temperature: float = 4.0, standardised: bool = False
) -> Tensor:
    """Return T² · KL over the classes that the teacher ranks below the label, in nats, mean over the batch.

    An example whose label is the teacher's last class has none and adds 0. Arguments as in :func:`sample_confidence`.
    Ibid., masked correlation distillation.
    """
    student, teacher = prepared(student_logits, teacher_logits.detach(), standardised)
    is_below = teacher < teacher.gather(1, labels[:, None])
    # Without such a class all are compared, so that the softmax is defined, and then left out.
    is_compared = is_below | ~is_below.any(1, keepdim=True)
    log_p, log_q = (
        torch.where(is_below, (logits / temperature).masked_fill(~is_compared, -torch.inf).log_softmax(1), 0.0)
        for logits in (teacher, student)
    )
    return temperature**2 * (relative_entropy(log_p, log_q) * is_below).sum(1).mean()


def prepared(student_logits: Tensor, teacher_logits: Tensor, standardised: bool) -> tuple[Tensor, Tensor]:
    """Return the logits of both networks, or their z-scores."""
    return (z_score(student_logits), z_score(teacher_logits)) if standardised else (student_logits, teacher_logits)


@dataclass(frozen=True)
class Rld(WeightedMethod):
    title: ClassVar[str] = "Refined logits (RLD)"
    aliases: ClassVar[tuple[str, ...]] = ("RLD",)
    summary: ClassVar[str] = (
        "Copy the teacher’s confidence, and its order of the classes below the label alone: where the teacher is "
        "wrong, the label stays first."
    )
    family: ClassVar[str] = "response"
    paper: ClassVar[str] = "Sun et al. 2024, “Refined Logits”"
    formula: ClassVar[str] = r"\lambda\,\mathrm{CE} + w\,(\alpha\,T_\alpha^2\,\mathrm{SCD} + \beta\,T^2\,\mathrm{MCD})"
    requires: ClassVar[str] = "logits of both, labels"
    defaults_source: ClassVar[str] = "The authors' code for CIFAR-100: α 1 at T 1, β 8 at T 4, labels 1, warm-up 20."
    pitfall: ClassVar[str] = (
        "The authors' code takes logarithms of sums of probabilities, which are infinite for confident networks; here "
        "they cannot be."
    )
    softens_targets: ClassVar[bool] = True

    temperature: float = temperature_option(
        4.0, "Divides the logits of both networks, for the classes below the label."
    )
    weight: float = weight_option(1.0, "both parts together")
    alpha: float = number(
        1.0, 0.0, 20.0, "Weight of the confidence (SCD).", step=0.1, label="Weight α of SCD", live=True
    )  # fmt: skip
    confidence_temperature: float = number(
        1.0, *TEMPERATURE_RANGE, "Divides the logits of both networks, for the confidence.", step=0.1,
        label="Temperature of the confidence", log=True,
    )  # fmt: skip
    beta: float = number(
        8.0, 0.0, 50.0, "Weight of the order below the label (MCD).", step=0.5, label="Weight β of MCD", live=True
    )  # fmt: skip
    standardised: bool = boolean(False, "Take z-scores of both networks' logits first, as in LSKD.")
    warm_up: int = integer(20, 0, 1000, "Epochs over which the term grows to its full weight.")

    def latex_term(self) -> str:
        confidence = rf"{self.alpha:g} \cdot {self.confidence_temperature:g}^2\,\mathrm{{SCD}}"
        return rf"({confidence} + {self.beta:g} \cdot {self.temperature:g}^2\,\mathrm{{MCD}})"

    def parts(self, signals: LossInputs) -> list[LossPart]:
        arguments = (signals.student_logits, signals.teacher_logits, signals.labels)
        weight = self.weight * signals.warm_up_factor(self.warm_up)
        confidence = sample_confidence(*arguments, self.confidence_temperature, self.standardised)
        order = masked_correlation(*arguments, self.temperature, self.standardised)
        return [
            *self.common_parts(signals),
            LossPart("T²·SCD", weight * self.alpha, confidence),
            LossPart("T²·MCD", weight * self.beta, order),
        ]
