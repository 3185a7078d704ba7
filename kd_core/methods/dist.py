"""DIST: the student keeps the teacher's order and proportions, among classes and among examples, not its exact values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from kd_core.methods import Method, Part, Signals, label_part, sum_of
from kd_core.options import number

EPSILON = 1e-8


def dist(student_logits: Tensor, teacher_logits: Tensor, temperature: float, inter: float, intra: float) -> Tensor:
    r"""T² (inter · (1 − mean over examples of ρ) + intra · (1 − mean over classes of ρ)), without a unit.

    ρ is Pearson's correlation of the softened probabilities of teacher and student: of one example over the classes
    (inter-class), of one class over the batch (intra-class). Logits (B, K); no gradient reaches the teacher's. Huang et
    al., "Knowledge Distillation from A Stronger Teacher" (2022), equations 8 and 9.
    """
    q, p = (student_logits / temperature).softmax(1), (teacher_logits.detach() / temperature).softmax(1)
    return temperature**2 * (inter * (1 - _correlation(q, p)) + intra * (1 - _correlation(q.T, p.T)))


def _correlation(some: Tensor, others: Tensor) -> Tensor:
    """Pearson's correlation of each row with its counterpart, mean over the rows."""
    some, others = (rows - rows.mean(1, keepdim=True) for rows in (some, others))
    return ((some * others).sum(1) / (some.norm(dim=1) * others.norm(dim=1) + EPSILON)).mean()


@dataclass(frozen=True)
class Dist(Method):
    title: ClassVar[str] = "Correlation with a stronger teacher (DIST)"
    idea: ClassVar[str] = (
        "Agree with the teacher on order and proportions, among classes and among examples, instead of on exact values "
        "that a small student cannot reach."
    )
    family: ClassVar[str] = "response"
    paper: ClassVar[str] = "Huang et al. 2022, section 4"
    formula: ClassVar[str] = r"\lambda\,\mathrm{CE} + w\,T^2\,(\beta\,d_\text{inter} + \gamma\,d_\text{intra})"
    trap: ClassVar[str] = "The part over the batch means nothing in a batch of one or two examples."

    temperature: float = number(
        4.0, 0.5, 20.0, "Divides the logits of both networks before softmax.", step=0.1, label="Temperature T",
        ends=("sharper than trained", "almost uniform"), live=True, log=True,
    )  # fmt: skip
    weight: float = number(2.0, 0.0, 20.0, "Weight of the teacher's part.", step=0.1, live=True)
    inter: float = number(1.0, 0.0, 10.0, "Weight of the correlation over the classes of one example.", step=0.1)
    intra: float = number(1.0, 0.0, 10.0, "Weight of the correlation over the examples of one class.", step=0.1)
    label_weight: float = number(1.0, 0.0, 10.0, "Weight of the cross-entropy with the labels.", step=0.1)

    def in_numbers(self) -> str:
        inner = rf"({self.inter:g}\, d_\text{{inter}} + {self.intra:g}\, d_\text{{intra}})"
        return sum_of((self.label_weight, r"\mathrm{CE}"), (self.weight, rf"{self.temperature:g}^2 \cdot {inner}"))

    def parts(self, signals: Signals) -> list[Part]:
        matched = dist(signals.student_logits, signals.teacher_logits, self.temperature, self.inter, self.intra)
        return [
            label_part(signals.student_logits, signals.labels, self.label_weight),
            Part("T²·DIST", self.weight, matched),
        ]
