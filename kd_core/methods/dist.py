"""Correlation with the teacher between classes and between examples (DIST)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from kd_core.base.options import number
from kd_core.methods import LossInputs, WeightedMethod, temperature_option, weight_option

EPSILON = 1e-8


def dist(student_logits: Tensor, teacher_logits: Tensor, temperature: float, inter: float, intra: float) -> Tensor:
    r"""Return T² (inter · (1 − mean over examples of ρ) + intra · (1 − mean over classes of ρ)), unitless.

    ρ is Pearson's correlation of the softened probabilities of teacher and student: of one example over the classes
    (inter-class), of one class over the batch (intra-class). Logits (B, K); no gradient reaches the teacher's. Huang et
    al., "Knowledge Distillation from A Stronger Teacher" (2022), equations 8 and 9.
    """
    q, p = (student_logits / temperature).softmax(1), (teacher_logits.detach() / temperature).softmax(1)
    return temperature**2 * (inter * (1 - _correlation(q, p)) + intra * (1 - _correlation(q.T, p.T)))


def _correlation(first: Tensor, second: Tensor) -> Tensor:
    """Return Pearson's correlation of each pair of rows, mean over the rows."""
    first, second = (rows - rows.mean(1, keepdim=True) for rows in (first, second))
    norms: Tensor = first.norm(dim=1) * second.norm(dim=1)
    return ((first * second).sum(1) / (norms + EPSILON)).mean()


@dataclass(frozen=True)
class Dist(WeightedMethod):
    title: ClassVar[str] = "Correlation with a stronger teacher (DIST)"
    aliases: ClassVar[tuple[str, ...]] = ("DIST",)
    summary: ClassVar[str] = (
        "Match the teacher's probabilities up to scale and shift, between classes and between examples, instead of "
        "exact values that a small student cannot reach."
    )
    family: ClassVar[str] = "response"
    paper: ClassVar[str] = "Huang et al. 2022, section 4"
    formula: ClassVar[str] = r"\lambda\,\mathrm{CE} + w\,T^2\,(\beta\,d_\text{inter} + \gamma\,d_\text{intra})"
    requires: ClassVar[str] = "logits of both, a whole batch at once"
    defaults_source: ClassVar[str] = "The authors' configuration for CIFAR-100: T 4, weight 2, β = γ = 1, labels 1."
    pitfall: ClassVar[str] = "The correlation over the batch is meaningless for one or two examples."
    part_name: ClassVar[str] = "T²·DIST"
    needs_several_classes: ClassVar[bool] = True
    softens_targets: ClassVar[bool] = True

    temperature: float = temperature_option(4.0, "Divides the logits of both networks before softmax.")
    weight: float = weight_option(2.0, "the correlations")
    inter: float = number(1.0, 0.0, 10.0, "Weight β of the correlation over the classes of one example.", step=0.1)
    intra: float = number(1.0, 0.0, 10.0, "Weight γ of the correlation over the examples of one class.", step=0.1)

    def latex_term(self) -> str:
        return rf"{self.temperature:g}^2 \cdot ({self.inter:g}\, d_\text{{inter}} + {self.intra:g}\, d_\text{{intra}})"

    def distillation_loss(self, signals: LossInputs) -> Tensor:
        return dist(signals.student_logits, signals.teacher_logits, self.temperature, self.inter, self.intra)
