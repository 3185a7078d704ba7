"""Soft targets, the KL divergence from the teacher's temperature-softened distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from kd_core.base.options import boolean, choice, number
from kd_core.methods import LossInputs, LossPart, LossWeights, Method, latex_sum, log_softmax

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
    r"""Return T² · KL(teacher ‖ student) of the softened distributions, in nats, mean over the batch.

    .. math:: \frac{T^2}{B} \sum_n \sum_k p_{nk}\,(\log p_{nk} - \log q_{nk}),\quad
        p = \mathrm{softmax}(t / T),\; q = \mathrm{softmax}(s / T)

    Both logits have shape (B, K); no gradient reaches the teacher's. Hinton, Vinyals & Dean, "Distilling the Knowledge
    in a Neural Network" (2015), section 2: the gradient of the softened term shrinks as 1/T², the factor undoes that.

    Other definitions in use under the same name can be chosen: the ``form`` "ce" is the cross-entropy with the
    teacher's distribution (larger by the teacher's entropy, same gradient), the ``mean`` "element" also divides by the
    number of classes (K times weaker), and without ``squared`` there is no factor T².
    """
    log_p = log_softmax(teacher_logits.detach() / temperature)
    log_q = log_softmax(student_logits / temperature)
    p, q = log_p.exp(), log_q.exp()
    # p and q both sum to 1, so the second term is 0. It cancels the rounding of the logarithms, which T² would
    # magnify: in float32 at T = 20 the error is a tenth of that without it, and equal logits give exactly 0.
    divergence = -p * log_q if form == CE else p * (log_p - log_q) + (q - p)
    count = student_logits.numel() if mean == ELEMENT else len(student_logits)
    return divergence.sum() / count * (temperature**2 if squared else 1.0)


@dataclass(frozen=True)
class SoftTargets(Method):
    """Soft targets (Hinton, Vinyals & Dean 2015, section 2)."""

    title: ClassVar[str] = "Soft targets"
    aliases: ClassVar[tuple[str, ...]] = ("KD",)
    summary: ClassVar[str] = "Match the teacher's full class distribution as well as the label."
    family: ClassVar[str] = "response"
    paper: ClassVar[str] = "Hinton, Vinyals & Dean 2015, section 2"
    formula: ClassVar[str] = (
        r"(1-\alpha)\,\mathrm{CE} + \alpha\,T^2\,\mathrm{KL}(\text{teacher} \parallel \text{student})"
    )
    requires: ClassVar[str] = "logits of both"
    defaults_source: ClassVar[str] = "T 4 and α 0.9, as in the common benchmark code for CIFAR-100 (RepDistiller)."
    pitfall: ClassVar[str] = (
        "Without the factor T² the teacher's gradient shrinks as 1/T²; averaged over classes as well, it is K times "
        "too small."
    )
    softens_targets: ClassVar[bool] = True
    vectorized_options: ClassVar[frozenset[str]] = frozenset({"temperature", "alpha"})

    temperature: float = number(
        4.0,
        0.5,
        20.0,
        "Divides the logits of both networks before softmax; a higher one shows more of the teacher's similarities.",
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

    @property
    def weights(self) -> LossWeights:
        return LossWeights(1.0 - self.alpha, 0.0, self.alpha)

    def to_latex(self) -> str:
        divergence = r"\mathrm{KL}" if self.form == KL else r"\mathrm{CE}"
        fraction = r"\tfrac{1}{K}\," if self.mean == ELEMENT else ""
        factor = rf"{self.temperature:g}^2 \cdot " if self.squared else ""
        between = rf"_{{T={self.temperature:g}}}(\text{{teacher}} \parallel \text{{student}})"
        term = f"{factor}{fraction}{divergence}{between}"
        return latex_sum((1 - self.alpha, r"\mathrm{CE}(\text{labels})"), (self.alpha, term))

    def parts(self, signals: LossInputs) -> list[LossPart]:
        soft = soft_targets(
            signals.student_logits,
            signals.teacher_logits,
            self.temperature,
            form=self.form,
            mean=self.mean,
            squared=self.squared,
        )
        name = ("T²·" if self.squared else "") + ("KL" if self.form == KL else "CE(teacher)")
        return [signals.label_part(1 - self.alpha), LossPart(name, self.alpha, soft)]

    def vectorized_numbers(self) -> list[float]:
        return [self.temperature, 1 - self.alpha, self.alpha, self.temperature**2 if self.squared else 1.0]

    def vectorized_loss(
        self, logits: Tensor, teacher_logits: Tensor, label_loss: tuple[Tensor, Tensor], numbers: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The gradient of KL is (q - p) / T (Hinton, Vinyals & Dean 2015, section 2, equation 2)."""
        temperature, label_weight, teacher_weight, factor = numbers
        gradients, hard = label_loss
        log_p = (teacher_logits.transpose(1, 2) / temperature).log_softmax(1)
        log_q = (logits / temperature).log_softmax(1)
        p, q = log_p.exp(), log_q.exp()
        difference = q - p
        divergence = -p * log_q if self.form == CE else p * (log_p - log_q) + difference
        count = logits[0].numel() if self.mean == ELEMENT else logits.shape[2]
        soft = divergence.sum((1, 2)) / count * factor[:, 0, 0]
        gradients = label_weight * gradients + (teacher_weight * factor / (temperature * count)) * difference
        totals = label_weight[:, 0, 0] * hard + teacher_weight[:, 0, 0] * soft
        return gradients, totals, torch.stack([hard, soft])
