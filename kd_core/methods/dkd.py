"""Decoupled knowledge distillation (DKD) with separate weights of target class and other classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from kd_core.base.options import integer, number
from kd_core.methods import LossInputs, LossPart, Pair, WeightedMethod, temperature_option, weight_option


def dkd(  # noqa: PLR0917
    student_logits: Tensor, teacher_logits: Tensor, labels: Tensor, temperature: float, alpha: float, beta: float
) -> Tensor:
    r"""Return T² (alpha · TCKD + beta · NCKD) in nats, mean over the batch.

    TCKD is the KL divergence of the two-way distributions (label, everything else); NCKD that of the distributions over
    the classes that are not the label. With logits of shape (B, K) and labels (B,); no gradient reaches the teacher's.
    Zhao et al., "Decoupled Knowledge Distillation" (2022), equations 6 and 7. Computed with logarithms: the sum of the
    other classes' probabilities may underflow, its logarithm does not.
    """
    return alpha * tckd(student_logits, teacher_logits, labels, temperature) + beta * nckd(
        student_logits, teacher_logits, labels, temperature
    )


def tckd(student_logits: Tensor, teacher_logits: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Return T² · TCKD, of the distributions over (label, everything else)."""
    log_q = two_way(student_logits / temperature, labels)
    log_p = two_way(teacher_logits.detach() / temperature, labels)
    return temperature**2 * F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)


def nckd(student_logits: Tensor, teacher_logits: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Return T² · NCKD, of the distributions over the classes that are not the label."""
    log_q = F.log_softmax(other_logits(student_logits, labels) / temperature, dim=1)
    log_p = F.log_softmax(other_logits(teacher_logits.detach(), labels) / temperature, dim=1)
    return temperature**2 * F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)


def other_logits(logits: Tensor, labels: Tensor) -> Tensor:
    """Return logits (B, K - 1) without those of the labels."""
    mask = torch.ones_like(logits, dtype=torch.bool).scatter_(1, labels[:, None], False)
    return logits[mask].view(len(logits), -1)


def two_way(scaled: Tensor, labels: Tensor) -> Tensor:
    """Return log-probabilities (B, 2) of the label and of everything else."""
    target = scaled.gather(1, labels[:, None])
    both = torch.cat([target, other_logits(scaled, labels).logsumexp(1, keepdim=True)], dim=1)
    return F.log_softmax(both, dim=1)


@dataclass(frozen=True)
class Dkd(WeightedMethod):
    title: ClassVar[str] = "Decoupled distillation (DKD)"
    aliases: ClassVar[tuple[str, ...]] = ("DKD",)
    summary: ClassVar[str] = (
        "Weigh the teacher's confidence in the label and its ranking of the other classes separately; in soft targets "
        "the ranking fades where the teacher is confident."
    )
    family: ClassVar[str] = "response"
    paper: ClassVar[str] = "Zhao et al. 2022, section 3"
    formula: ClassVar[str] = r"\lambda\,\mathrm{CE} + w\,T^2\,(\alpha\,\mathrm{TCKD} + \beta\,\mathrm{NCKD})"
    requires: ClassVar[str] = "logits of both, labels, three classes or more"
    defaults_source: ClassVar[str] = (
        "The authors' code for CIFAR-100: T 4, α 1, β 8 (2 to 8 by networks), labels 1, warm-up 20."
    )
    pitfall: ClassVar[str] = (
        "The authors' code takes logarithms of sums of probabilities, which gives NaN for confident networks; here it "
        "cannot."
    )

    softens_targets: ClassVar[bool] = True

    temperature: float = temperature_option(4.0, "Divides the logits of both networks before softmax.")
    weight: float = weight_option(1.0, "both parts together")
    alpha: float = number(
        1.0, 0.0, 20.0, "Weight of TCKD, the confidence in the label.", step=0.1, label="Weight α of TCKD", live=True
    )  # fmt: skip
    beta: float = number(
        8.0, 0.0, 50.0, "Weight of NCKD, the ranking of the other classes.", step=0.5,
        label="Weight β of NCKD", live=True,
    )  # fmt: skip
    warm_up: int = integer(20, 0, 1000, "Epochs over which the term grows to its full weight.")

    def latex_term(self) -> str:
        inner = rf"({self.alpha:g}\,\mathrm{{TCKD}} + {self.beta:g}\,\mathrm{{NCKD}})"
        return rf"{self.temperature:g}^2 \cdot {inner}"

    def unsupported_reason(self, pair: Pair) -> str:
        if pair.classes > 2:
            return ""
        return f"needs three classes or more, and these data have {pair.classes}: one wrong class has no ranking"

    def parts(self, signals: LossInputs) -> list[LossPart]:
        arguments = (signals.student_logits, signals.teacher_logits, signals.labels, self.temperature)
        weight = self.weight * signals.warm_up_factor(self.warm_up)
        return [
            *self.common_parts(signals),
            LossPart("T²·TCKD", weight * self.alpha, tckd(*arguments)),
            LossPart("T²·NCKD", weight * self.beta, nckd(*arguments)),
        ]
