"""Choice of divergence (GKD) between the distributions of teacher and student."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from kd_core.base.options import choice, number
from kd_core.methods import (
    LossInputs,
    WeightedMethod,
    label_weight_option,
    log_softmax,
    sum_tensors,
    temperature_option,
    weight_option,
)

FORWARD, REVERSE, JENSEN_SHANNON = "forward", "reverse", "jensen-shannon"
SKEWED_FORWARD, SKEWED_REVERSE = "skewed-forward", "skewed-reverse"
KINDS = (FORWARD, REVERSE, JENSEN_SHANNON, SKEWED_FORWARD, SKEWED_REVERSE)


def divergence(  # noqa: PLR0917
    student_logits: Tensor,
    teacher_logits: Tensor,
    kind: str = JENSEN_SHANNON,
    temperature: float = 1.0,
    beta: float = 0.5,
    skew: float = 0.1,
) -> Tensor:
    r"""Return T² · D(p, q) in nats, mean over the rows, with p = softmax(t / T) and q = softmax(s / T).

    .. math:: D = a\,\mathrm{KL}(p \parallel m) + b\,\mathrm{KL}(q \parallel m),\quad m = c\,p + (1 - c)\,q

    Logits (N, K); no gradient reaches the teacher's, the student's flows through the mixture m as well. The kinds of D
    are "forward" KL(p ‖ q), "reverse" KL(q ‖ p), "jensen-shannon" with a = c = β and b = 1 − β, where β = 0 is forward
    and β = 1 reverse (Agarwal et al., "On-Policy Distillation of Language Models" (2024), section 2), and with the
    ``skew`` α "skewed-forward" KL(p ‖ α p + (1 − α) q) and "skewed-reverse" KL(q ‖ (1 − α) p + α q) (Ko et al.,
    "DistiLLM" (2024), section 3.1). Neither paper multiplies by T². The mixture is computed with logarithms: its
    probabilities may underflow, their logarithms do not.
    """
    a, b, log_c, log_rest = coefficients(kind, beta, skew)
    log_p = log_softmax(teacher_logits.detach() / temperature)
    log_q = log_softmax(student_logits / temperature)
    log_m = torch.logaddexp(log_p + log_c, log_q + log_rest)
    terms = a * relative_entropy(log_p, log_m) + b * relative_entropy(log_q, log_m)
    return temperature**2 * terms.sum() / len(student_logits)


def coefficients(kind: str, beta: float, skew: float) -> tuple[float, float, float, float]:
    """Return the weights a and b of both divergences from the mixture, and log c and log (1 − c)."""
    if kind == JENSEN_SHANNON and 0 < beta < 1:
        return beta, 1 - beta, math.log(beta), math.log1p(-beta)
    if kind in {FORWARD, SKEWED_FORWARD} or (kind == JENSEN_SHANNON and not beta):
        fraction = skew if kind == SKEWED_FORWARD else 0.0
        return 1.0, 0.0, math.log(fraction) if fraction else -math.inf, math.log1p(-fraction)
    fraction = skew if kind == SKEWED_REVERSE else 0.0
    return 0.0, 1.0, math.log1p(-fraction), math.log(fraction) if fraction else -math.inf


def relative_entropy(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Return the terms of KL(p ‖ q), of which each is 0 or more.

    Both distributions sum to 1, so that q − p adds nothing to the sum; it cancels the rounding of the logarithms.
    """
    p = log_p.exp()
    return p * (log_p - log_q) + (log_q.exp() - p)


@dataclass(frozen=True)
class Divergence(WeightedMethod):
    title: ClassVar[str] = "Choice of divergence (GKD, reverse KL, JSD)"
    aliases: ClassVar[tuple[str, ...]] = ("GKD", "reverse KL", "JSD")
    summary: ClassVar[str] = (
        "Forward KL covers everything that the teacher finds possible, reverse KL keeps to what it finds likely, and "
        "Jensen–Shannon lies between them."
    )
    family: ClassVar[str] = "response"
    paper: ClassVar[str] = "Agarwal et al. 2024, section 2"
    formula: ClassVar[str] = r"\lambda\,\mathrm{CE} + w\,T^2\,D(p, q),\; p = \text{teacher},\; q = \text{student}"
    requires: ClassVar[str] = "logits of both"
    defaults_source: ClassVar[str] = (
        "The teacher alone, Jensen–Shannon with β 0.5: the code of TRL. Skew 0.1: the authors' code. T² is ours."
    )
    pitfall: ClassVar[str] = (
        "β = 1 is reverse KL, and a popular library had it the other way round for a year; averaged over classes as "
        "well, every divergence is K times too small."
    )
    part_name: ClassVar[str] = "T²·D"
    softens_targets: ClassVar[bool] = True
    vectorized_options: ClassVar[frozenset[str]] = frozenset({"temperature", "label_weight", "weight", "beta", "skew"})

    label_weight: float = label_weight_option(0.0)
    temperature: float = temperature_option(1.0, "Divides the logits of both networks before softmax.")
    weight: float = weight_option(1.0, "the divergence")
    divergence: str = choice(
        JENSEN_SHANNON, KINDS,
        "Forward: KL(teacher, student). Reverse: KL(student, teacher). Jensen–Shannon: both from their mixture. "
        "Skewed: from a mixture with some of the first.",
    )  # fmt: skip
    beta: float = number(
        0.5, 0.0, 1.0, "Of Jensen–Shannon: 0 is forward KL, 1 reverse KL.", step=0.05, label="β of Jensen–Shannon",
        ends=("forward KL", "reverse KL"), live=True,
    )  # fmt: skip
    skew: float = number(
        0.1, 0.0, 0.9, "Of skewed KL: fraction of the first distribution in the mixture; 0 is plain KL.", step=0.05,
        label="Skew α", live=True,
    )  # fmt: skip

    def latex_term(self) -> str:
        skew, rest = f"{self.skew:g}", f"{1 - self.skew:g}"
        between = {
            FORWARD: r"\mathrm{KL}(p \parallel q)",
            REVERSE: r"\mathrm{KL}(q \parallel p)",
            JENSEN_SHANNON: rf"\mathrm{{JSD}}_{{{self.beta:g}}}(p, q)",
            SKEWED_FORWARD: rf"\mathrm{{KL}}(p \parallel {skew}\,p + {rest}\,q)",
            SKEWED_REVERSE: rf"\mathrm{{KL}}(q \parallel {rest}\,p + {skew}\,q)",
        }
        return rf"{self.temperature:g}^2 \cdot {between[self.divergence]}"

    def distillation_loss(self, signals: LossInputs) -> Tensor:
        logits = signals.student_logits, signals.teacher_logits
        return divergence(*logits, self.divergence, self.temperature, self.beta, self.skew)

    def vectorized_numbers(self) -> list[float]:
        return [self.temperature, self.label_weight, self.weight, *coefficients(self.divergence, self.beta, self.skew)]

    def vectorized_loss(
        self, logits: Tensor, teacher_logits: Tensor, label_loss: tuple[Tensor, Tensor], numbers: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """With r = (1 − c) q / m and w = b q log (q / m) − r (a p + b q), the gradient of D is (w − q Σ w) / T."""
        temperature, label_weight, weight, forward, reverse, log_c, log_rest = numbers
        label_gradients, hard = label_loss
        log_p = (teacher_logits.transpose(1, 2) / temperature).log_softmax(1)
        log_q = (logits / temperature).log_softmax(1)
        log_m = torch.logaddexp(log_p + log_c, log_q + log_rest)
        p, q = log_p.exp(), log_q.exp()
        change = reverse * q * (log_q - log_m) - (log_rest + log_q - log_m).exp() * (forward * p + reverse * q)
        change = weight * (change - q * change.sum(1, keepdim=True))
        terms = forward * relative_entropy(log_p, log_m) + reverse * relative_entropy(log_q, log_m)
        parts, weights = [terms.sum((1, 2))], [weight]
        if self.soft_weight:
            parts.insert(0, relative_entropy(log_p, log_q).sum((1, 2)))
            weights.insert(0, torch.full_like(weight, self.soft_weight))
            change = change + self.soft_weight * (q - p)
        size = logits.shape[2]
        parts = [hard, *(temperature[:, 0, 0] ** 2 / size * part for part in parts)]
        totals = sum_tensors([each[:, 0, 0] * part for each, part in zip([label_weight, *weights], parts, strict=True)])
        return label_weight * label_gradients + temperature / size * change, totals, torch.stack(parts)
