"""Relational distillation: the same distances and angles between examples as in the teacher's space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from kd_core.base.options import number
from kd_core.methods import EMBEDDING, EmbeddingMethod, LossInputs, LossPart, weight_option

SMALLEST = 1e-12  # squared distance of two different examples
AT_ONCE = 4_000_000  # cosines


def relational(student_embedding: Tensor, teacher_embedding: Tensor, distance: float = 25, angle: float = 50) -> Tensor:
    """``distance`` · :func:`relational_distance` + ``angle`` · :func:`relational_angle`, without a unit.

    Embeddings (B, D) and (B, D'); no gradient reaches the teacher's. Park et al., "Relational Knowledge Distillation"
    (2019), section 3.2.
    """
    both = student_embedding, teacher_embedding
    return distance * relational_distance(*both) + angle * relational_angle(*both)


def relational_distance(student_embedding: Tensor, teacher_embedding: Tensor) -> Tensor:
    """Huber distance of the pairwise distances over their mean; mean over all B² pairs (equations 5 to 7)."""
    return F.smooth_l1_loss(_distances(student_embedding), _distances(teacher_embedding.detach()))


def relational_angle(student_embedding: Tensor, teacher_embedding: Tensor) -> Tensor:
    """Huber distance of the cosines at which two examples are seen from a third; mean over all B³ (equations 8, 9)."""
    teacher_embedding = teacher_embedding.detach()
    count = len(student_embedding)
    most = max(1, AT_ONCE // count**2)
    if count <= most:
        return F.smooth_l1_loss(_cosines(student_embedding), _cosines(teacher_embedding))
    sums = [
        # Computed again for the gradient, or all B³ cosines would have to be kept.
        checkpoint(_difference, student_embedding, teacher_embedding, start, start + most, use_reentrant=False)
        for start in range(0, count, most)
    ]
    return torch.stack(sums).sum() / count**3


def _distances(embedding: Tensor) -> Tensor:
    """(B, B) over the mean of those that are not 0."""
    squares = embedding.pow(2).sum(1)
    squared = (squares[:, None] + squares[None] - 2 * embedding @ embedding.T).clamp(min=SMALLEST)
    itself = squared.new_ones(squared.shape).fill_diagonal_(0)
    distances = squared.sqrt() * itself
    # Every pair of two counts, as small as it may be; a single example has no pair.
    return distances / (distances.sum() / itself.sum().clamp(min=1)).clamp(min=SMALLEST)


def _difference(student: Tensor, teacher: Tensor, start: int, end: int) -> Tensor:
    """Sum of the Huber distances of the angles at some of the examples."""
    return F.smooth_l1_loss(_cosines(student, start, end), _cosines(teacher, start, end), reduction="sum")


def _cosines(embedding: Tensor, start: int = 0, end: int | None = None) -> Tensor:
    """(B, B, B): [i, j, k] is the cosine of the angle at i between j and k; for ``start`` <= i < ``end``."""
    differences = embedding[None] - embedding[start:end, None]
    # Two equal examples have no direction. Dividing 0 by next to nothing gives 0, and a gradient beyond all measure.
    apart = differences.ne(0).any(2, keepdim=True)
    directions = torch.where(apart, F.normalize(torch.where(apart, differences, 1.0), dim=2), 0.0)
    return directions @ directions.transpose(1, 2)


@dataclass(frozen=True)
class Relational(EmbeddingMethod):
    title: ClassVar[str] = "Relations between examples (RKD)"
    aliases: ClassVar[tuple[str, ...]] = ("RKD",)
    summary: ClassVar[str] = (
        "Keep the teacher's distances and angles between examples; the space itself may be another one."
    )
    family: ClassVar[str] = "relation"
    paper: ClassVar[str] = "Park et al. 2019, section 3"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{CE} + w\,(w_d\,\mathrm{RKD}_\text{distance} + w_a\,\mathrm{RKD}_\text{angle})"
    )
    requires: ClassVar[str] = "embeddings of both networks, a whole batch at once"
    defaults_source: ClassVar[str] = (
        "w_d 25 and w_a 50: the paper's for classification and the common benchmark code (RepDistiller)."
    )
    pitfall: ClassVar[str] = (
        "The angles of a batch are B³ numbers: usual code needs gigabytes for 512 examples, this one time."
    )

    weight: float = weight_option(1.0, "both relations")
    distance: float = number(25.0, 0.0, 1000.0, "Weight of the distances.", step=5.0, label="Weight of distances")
    angle: float = number(50.0, 0.0, 1000.0, "Weight of the angles.", step=5.0, label="Weight of angles")

    def latex_term(self) -> str:
        return rf"({self.distance:g}\,\mathrm{{RKD}}_d + {self.angle:g}\,\mathrm{{RKD}}_a)"

    def parts(self, signals: LossInputs) -> list[LossPart]:
        both = signals.student_features[EMBEDDING], signals.teacher_features[EMBEDDING]
        return [
            *self.common_parts(signals),
            LossPart("distances", self.weight * self.distance, relational_distance(*both)),
            LossPart("angles", self.weight * self.angle, relational_angle(*both)),
        ]
