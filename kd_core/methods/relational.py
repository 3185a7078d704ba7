"""Relational knowledge distillation (RKD) of distances and angles between examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from kd_core.base.options import number
from kd_core.methods import EMBEDDING, EmbeddingMethod, LossInputs, LossPart, weight_option

MIN_SQUARED_DISTANCE = 1e-12  # of two different examples
MAX_COSINES = 4_000_000  # computed at once


def relational(student_embedding: Tensor, teacher_embedding: Tensor, distance: float = 25, angle: float = 50) -> Tensor:
    """Return ``distance`` · :func:`relational_distance` + ``angle`` · :func:`relational_angle`, unitless.

    Embeddings (B, D) and (B, D'); no gradient reaches the teacher's. Park et al., "Relational Knowledge Distillation"
    (2019), section 3.2.
    """
    distances = relational_distance(student_embedding, teacher_embedding)
    return distance * distances + angle * relational_angle(student_embedding, teacher_embedding)


def relational_distance(student_embedding: Tensor, teacher_embedding: Tensor) -> Tensor:
    """Return the Huber loss of the pairwise distances over their mean, mean over all B² pairs (equations 5 to 7)."""
    return F.smooth_l1_loss(_distances(student_embedding), _distances(teacher_embedding.detach()))


def relational_angle(student_embedding: Tensor, teacher_embedding: Tensor) -> Tensor:
    """Return the Huber loss of the cosines of angles between three examples, mean over all B³ (equations 8, 9)."""
    teacher_embedding = teacher_embedding.detach()
    count = len(student_embedding)
    chunk = max(1, MAX_COSINES // count**2)
    if count <= chunk:
        return F.smooth_l1_loss(_cosines(student_embedding), _cosines(teacher_embedding))
    sums = [
        # Computed again in the backward pass, since all B³ cosines would take too much memory.
        checkpoint(_difference, student_embedding, teacher_embedding, start, start + chunk, use_reentrant=False)
        for start in range(0, count, chunk)
    ]
    return torch.stack(sums).sum() / count**3


def _distances(embedding: Tensor) -> Tensor:
    """Return distances (B, B) over their mean, the diagonal left out."""
    squares = embedding.pow(2).sum(1)
    squared = (squares[:, None] + squares[None] - 2 * embedding @ embedding.T).clamp(min=MIN_SQUARED_DISTANCE)
    off_diagonal = squared.new_ones(squared.shape).fill_diagonal_(0)
    distances = squared.sqrt() * off_diagonal
    # A single example has no pair.
    return distances / (distances.sum() / off_diagonal.sum().clamp(min=1)).clamp(min=MIN_SQUARED_DISTANCE)


def _difference(student: Tensor, teacher: Tensor, start: int, end: int) -> Tensor:
    """Return the summed Huber loss of the cosines of angles at the examples from ``start`` to ``end``."""
    return F.smooth_l1_loss(_cosines(student, start, end), _cosines(teacher, start, end), reduction="sum")


def _cosines(embedding: Tensor, start: int = 0, end: int | None = None) -> Tensor:
    """Return cosines (N, B, B) of the angles at i between j and k, for the N examples ``start`` <= i < ``end``."""
    differences = embedding[None] - embedding[start:end, None]
    # Two equal examples have no direction. Dividing 0 by a tiny number would give 0 and a huge gradient.
    is_apart = differences.ne(0).any(2, keepdim=True)
    directions = torch.where(is_apart, F.normalize(torch.where(is_apart, differences, 1.0), dim=2), 0.0)
    return directions @ directions.transpose(1, 2)


@dataclass(frozen=True)
class Relational(EmbeddingMethod):
    title: ClassVar[str] = "Relations between examples (RKD)"
    aliases: ClassVar[tuple[str, ...]] = ("RKD",)
    summary: ClassVar[str] = (
        "Match the teacher's distances and angles between examples; the embedding spaces may differ."
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
        "The angles of a batch are B³ numbers: common code needs gigabytes for 512 examples, this one more time."
    )

    weight: float = weight_option(1.0, "both relations")
    distance: float = number(25.0, 0.0, 1000.0, "Weight of the distances.", step=5.0, label="Weight of distances")
    angle: float = number(50.0, 0.0, 1000.0, "Weight of the angles.", step=5.0, label="Weight of angles")

    def latex_term(self) -> str:
        return rf"({self.distance:g}\,\mathrm{{RKD}}_d + {self.angle:g}\,\mathrm{{RKD}}_a)"

    def parts(self, signals: LossInputs) -> list[LossPart]:
        embeddings = signals.student_features[EMBEDDING], signals.teacher_features[EMBEDDING]
        return [
            *self.common_parts(signals),
            LossPart("distances", self.weight * self.distance, relational_distance(*embeddings)),
            LossPart("angles", self.weight * self.angle, relational_angle(*embeddings)),
        ]
