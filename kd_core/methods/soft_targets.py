"""Soft targets: the student matches the teacher's whole distribution, softened by a temperature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from kd_core.base.options import boolean, choice, number
from kd_core.methods import LossInputs, LossPart, Method, cross_entropy_with_gradient, latex_sum

KL, CE = "kl", "ce"
BATCH, ELEMENT = "batch", "element"


def soft_targets(
    student_logits: Tensor,
    teacher_logits: Tensor,
    temperature: float | Tensor,
    *,
    form: str = KL,
    mean: str = BATCH,
    squared: bool = True,
) -> Tensor:
    r"""T² · KL(teacher ‖ student) of the softened distributions, in nats, mean over the batch.

    .. math:: \frac{T^2}{B} \sum_n \sum_k p_{nk}\,(\log p_{nk} - \log q_{nk}),\quad
        p = \mathrm{softmax}(t / T),\; q = \mathrm{softmax}(s / T)

    Both logits have shape (B, K); no gradient reaches the teacher's. Hinton, Vinyals & Dean, "Distilling the Knowledge
    in a Neural Network" (2015), section 2: the gradient of the softened term shrinks as 1/T², the factor undoes that.

    What other code calls by the same name can be chosen, to see what it does: the ``form`` "ce" is the cross-entropy
    with the teacher's distribution (the teacher's entropy more, the same gradient), the ``mean`` "element" divides by
    the classes, too (K times weaker), and without ``squared`` there is no T².
    """
    log_p = F.log_softmax(teacher_logits.detach() / temperature, dim=1)
    log_q = F.log_softmax(student_logits / temperature, dim=1)
    p, q = log_p.exp(), log_q.exp()
    # p and q both sum to 1, so the second term is 0. It takes the rounding of the logarithms with it, which T² would
    # magnify: in float32 at T = 20 the error is a tenth of the usual one, and 0 is 0.
    divergence = -p * log_q if form == CE else p * (log_p - log_q) + (q - p)
    counted = student_logits.numel() if mean == ELEMENT else len(student_logits)
    return divergence.sum() / counted * (temperature**2 if squared else 1.0)


def soft_targets_with_gradient(
    student_logits: Tensor, teacher_logits: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    r"""The usual form of :func:`soft_targets`, and its gradient in closed form: T (q - p) / B. All are (K, B)."""
    log_p = (teacher_logits / temperature).log_softmax(0)
    log_q = (student_logits / temperature).log_softmax(0)
    count = student_logits.shape[1]
    p = log_p.exp()
    excess = log_q.exp().sub_(p)
    divergence = torch.addcmul(excess, p, log_p.sub_(log_q)).sum()
    return divergence.mul_(temperature**2 / count), excess.mul_(temperature / count)


@dataclass(frozen=True)
class SoftTargets(Method):
    title: ClassVar[str] = "Soft targets"
    summary: ClassVar[str] = (
        "Beside the right answer, learn how likely the teacher finds every wrong one: a 7 that looks like a 1."
    )
    family: ClassVar[str] = "response"
    paper: ClassVar[str] = "Hinton, Vinyals & Dean 2015, section 2"
    formula: ClassVar[str] = (
        r"(1-\alpha)\,\mathrm{CE} + \alpha\,T^2\,\mathrm{KL}(\text{teacher} \parallel \text{student})"
    )
    requires: ClassVar[str] = "logits of both"
    defaults_source: ClassVar[str] = (
        "T 4 and α 0.9 are those of the common benchmark code for CIFAR-100 (RepDistiller)."
    )
    pitfall: ClassVar[str] = (
        "Without the factor T² the teacher's signal fades as 1/T²; averaged over classes too, it is K times too weak."
    )

    temperature: float = number(
        4.0,
        0.5,
        20.0,
        "Divides the logits of both networks before softmax: higher shows more of what the teacher finds similar.",
        step=0.1,
        label="Temperature T",
        ends=("sharper than trained", "almost uniform"),
        live=True,
        log=True,
    )
    alpha: float = number(
        0.9,
        0.0,
        1.0,
        "The teacher's weight in the loss; the labels get the rest.",
        step=0.01,
        label="Teacher weight α",
        ends=("labels only", "teacher only"),
        live=True,
    )
    form: str = choice(
        KL,
        (KL, CE),
        "KL is 0 for a perfect match; the cross-entropy adds the teacher's entropy, with the same gradient.",
    )
    mean: str = choice(
        BATCH, (BATCH, ELEMENT), "Mean over the batch, or over batch and classes, which is K times weaker.",
        label="Mean over",
    )  # fmt: skip
    squared: bool = boolean(
        True, "Multiply by T², so that the gradient keeps its size at every temperature.", label="T²"
    )

    @property
    def uses_teacher(self) -> bool:
        return bool(self.alpha)

    def to_latex(self) -> str:
        compared = r"\mathrm{KL}" if self.form == KL else r"\mathrm{CE}"
        over = r"\tfrac{1}{K}\," if self.mean == ELEMENT else ""
        factor = rf"{self.temperature:g}^2 \cdot " if self.squared else ""
        matched = rf"{factor}{over}{compared}_{{T={self.temperature:g}}}(\text{{teacher}} \parallel \text{{student}})"
        return latex_sum((1 - self.alpha, r"\mathrm{CE}(\text{labels})"), (self.alpha, matched))

    def parts(self, signals: LossInputs) -> list[LossPart]:
        matched = soft_targets(
            signals.student_logits,
            signals.teacher_logits,
            self.temperature,
            form=self.form,
            mean=self.mean,
            squared=self.squared,
        )
        name = ("T²·" if self.squared else "") + ("KL" if self.form == KL else "CE(teacher)")
        return [
            signals.label_part(1 - self.alpha),
            LossPart(name, self.alpha, matched),
        ]

    def closed_form(self, signals: LossInputs) -> tuple[list[LossPart], Tensor] | None:
        """As published: KL, mean over the batch, T². The gradient is Hinton, Vinyals & Dean 2015, equation 2."""
        if not self.is_as_published or signals.is_labelled is not None or signals.mixup is not None:
            return None
        logits = signals.student_logits.t().contiguous()
        labelled, slope = cross_entropy_with_gradient(logits, signals.labels)
        matched, towards = soft_targets_with_gradient(logits, signals.teacher_logits.t().contiguous(), self.temperature)
        # What has no weight is left out, as in the sum of the parts.
        slope = slope.mul_(1 - self.alpha).add_(towards, alpha=self.alpha) if self.alpha else slope
        return [LossPart("CE", 1 - self.alpha, labelled), LossPart("T²·KL", self.alpha, matched)], slope.t()

    @property
    def is_as_published(self) -> bool:
        """Whether no option makes it what other code calls by its name."""
        return self.form == KL and self.mean == BATCH and self.squared
