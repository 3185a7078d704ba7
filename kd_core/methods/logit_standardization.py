"""Logit standardisation: the student matches the shape of the teacher's logits, whatever their size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from kd_core.methods import Method, Part, Signals, label_part, sum_of
from kd_core.methods.soft_targets import soft_targets
from kd_core.options import number

EPSILON = 1e-7


def logit_standardization(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    r"""T² · KL(teacher ‖ student) in nats, mean over the batch, of the z-scores of both logits (B, K).

    .. math:: z(v) = (v - \bar v) / (\sigma(v) + 10^{-7}),\quad \sigma \text{ with } K - 1 \text{ in the denominator}

    The gradient flows through the student's mean and deviation; none reaches the teacher. Sun et al., "Logit
    Standardization in Knowledge Distillation" (2024), section 4.
    """
    return soft_targets(_z_score(student_logits), _z_score(teacher_logits.detach()), temperature)


def _z_score(logits: Tensor) -> Tensor:
    return (logits - logits.mean(1, keepdim=True)) / (logits.std(1, keepdim=True) + EPSILON)


@dataclass(frozen=True)
class LogitStandardization(Method):
    title: ClassVar[str] = "Standardised logits (LSKD)"
    idea: ClassVar[str] = "Match the shape of the teacher's logits and leave their size free: a small student need not shout."
    family: ClassVar[str] = "response"
    paper: ClassVar[str] = "Sun et al. 2024, section 4"
    formula: ClassVar[str] = r"\lambda\,\mathrm{CE} + w\,T^2\,\mathrm{KL}(z(\text{teacher}) \parallel z(\text{student}))"
    trap: ClassVar[str] = "Temperature and weight are tied: the paper raises the weight from 9 to 12 with T from 2 to 4."

    temperature: float = number(
        2.0, 0.5, 20.0, "Divides the z-scores of both networks before softmax.", step=0.1, label="Temperature T",
        ends=("sharper than trained", "almost uniform"), live=True, log=True,
    )  # fmt: skip
    weight: float = number(9.0, 0.0, 50.0, "Weight of the teacher's part.", step=0.5, live=True)
    label_weight: float = number(0.1, 0.0, 10.0, "Weight of the cross-entropy with the labels.", step=0.1)

    def refusal(self, classes: int) -> str:
        return "needs three classes or more: the z-scores of two logits are always the same two numbers" if classes < 3 else ""

    def in_numbers(self) -> str:
        matched = rf"{self.temperature:g}^2 \cdot \mathrm{{KL}}(z(\text{{teacher}}) \parallel z(\text{{student}}))"
        return sum_of((self.label_weight, r"\mathrm{CE}"), (self.weight, matched))

    def parts(self, signals: Signals) -> list[Part]:
        matched = logit_standardization(signals.student_logits, signals.teacher_logits, self.temperature)
        return [
            label_part(signals.student_logits, signals.labels, self.label_weight),
            Part("T²·KL(z)", self.weight, matched),
        ]
