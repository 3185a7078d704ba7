"""Logit standardisation (LSKD), soft targets of z-scored logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from kd_core.methods import LossInputs, Pair, WeightedMethod, label_weight_option, temperature_option, weight_option
from kd_core.methods.soft_targets import soft_targets

EPSILON = 1e-7


def logit_standardization(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    r"""Return T² · KL(teacher ‖ student) in nats, mean over the batch, of the z-scores of both logits (B, K).

    .. math:: z(v) = (v - \bar v) / (\sigma(v) + 10^{-7}),\quad \sigma \text{ with } K - 1 \text{ in the denominator}

    The gradient flows through the student's mean and deviation; none reaches the teacher. Sun et al., "Logit
    Standardization in Knowledge Distillation" (2024), section 4.
    """
    return soft_targets(z_score(student_logits), z_score(teacher_logits.detach()), temperature)


def z_score(logits: Tensor) -> Tensor:
    """Return logits (B, K) less their mean over the classes, in units of their standard deviation."""
    return (logits - logits.mean(1, keepdim=True)) / (logits.std(1, keepdim=True) + EPSILON)


@dataclass(frozen=True)
class LogitStandardization(WeightedMethod):
    title: ClassVar[str] = "Standardised logits (LSKD)"
    aliases: ClassVar[tuple[str, ...]] = ("LSKD",)
    summary: ClassVar[str] = "Match the teacher's logits up to their mean and spread, which a small student may choose."
    family: ClassVar[str] = "response"
    paper: ClassVar[str] = "Sun et al. 2024, section 4"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{CE} + w\,T^2\,\mathrm{KL}(z(\text{teacher}) \parallel z(\text{student}))"
    )
    requires: ClassVar[str] = "logits of both, three classes or more"
    defaults_source: ClassVar[str] = "The authors' code for CIFAR-100: T 2, weight 9, labels 0.1."
    pitfall: ClassVar[str] = (
        "Temperature and weight belong together: the authors use weight 9 for T = 2 or 3 and 12 for T = 4."
    )
    part_name: ClassVar[str] = "T²·KL(z)"
    needs_several_classes: ClassVar[bool] = True

    label_weight: float = label_weight_option(0.1)
    temperature: float = temperature_option(
        2.0, "Divides the z-scores of both networks before softmax, and the logits of soft targets beside them."
    )
    weight: float = weight_option(9.0, "the standardised logits")

    def latex_term(self) -> str:
        return rf"{self.temperature:g}^2 \cdot \mathrm{{KL}}(z(\text{{teacher}}) \parallel z(\text{{student}}))"

    def unsupported_reason(self, pair: Pair) -> str:
        if pair.classes > 2:
            return ""
        return (
            f"needs three classes or more, and these data have {pair.classes}: the z-scores of two logits never change"
        )

    def distillation_loss(self, signals: LossInputs) -> Tensor:
        return logit_standardization(signals.student_logits, signals.teacher_logits, self.temperature)
