"""Logit regression: the student matches the teacher's logits themselves, without softmax."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from kd_core.methods import Method, Part, Signals, label_part, sum_of
from kd_core.options import number, switch


def logit_mse(student_logits: Tensor, teacher_logits: Tensor, centred: bool = False) -> Tensor:
    r"""Squared difference of the logits (B, K), mean over batch and classes; no gradient reaches the teacher's.

    .. math:: \frac{1}{BK} \sum_n \sum_k (s_{nk} - t_{nk})^2

    ``centred`` takes the mean over the classes from both first: softmax does not see it. Ba & Caruana, "Do Deep Nets
    Really Need to be Deep?" (2014), section 2.2; they write the sum over the classes and half of it.
    """
    target = teacher_logits.detach()
    if centred:
        student_logits = student_logits - student_logits.mean(1, keepdim=True)
        target = target - target.mean(1, keepdim=True)
    return F.mse_loss(student_logits, target)


@dataclass(frozen=True)
class LogitMse(Method):
    title: ClassVar[str] = "Logit regression"
    idea: ClassVar[str] = "Match the teacher's logits themselves, without softmax and without a temperature."
    family: ClassVar[str] = "response"
    paper: ClassVar[str] = "Ba & Caruana 2014, section 2.2"
    formula: ClassVar[str] = r"(1-\alpha)\,\mathrm{CE} + \alpha\,\mathrm{MSE}(\text{student}, \text{teacher})"
    trap: ClassVar[str] = "It also matches the mean of the logits, which means nothing: centre them to leave it out."

    alpha: float = number(
        1.0, 0.0, 1.0, "The teacher's weight in the loss; the labels get the rest. The paper uses the teacher alone.",
        step=0.01, label="Teacher weight α", ends=("labels only", "teacher only"), live=True,
    )  # fmt: skip
    centred: bool = switch(False, "Take the mean over the classes from the logits of both networks first.")

    def in_numbers(self) -> str:
        return sum_of((1 - self.alpha, r"\mathrm{CE}"), (self.alpha, r"\mathrm{MSE}"))

    def parts(self, signals: Signals) -> list[Part]:
        matched = logit_mse(signals.student_logits, signals.teacher_logits, self.centred)
        return [
            label_part(signals.student_logits, signals.labels, 1 - self.alpha),
            Part("MSE", self.alpha, matched),
        ]
