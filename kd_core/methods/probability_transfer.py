"""Probabilistic knowledge transfer (PKT) of neighbour probabilities in embedding space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from kd_core.methods import EmbeddingMethod, weight_option

EPSILON = 1e-7


def probability_transfer(student_embedding: Tensor, teacher_embedding: Tensor) -> Tensor:
    r"""Return the divergence of the neighbour probabilities of teacher and student in nats, mean over the B² pairs.

    .. math:: \mathrm{mean}_{ij}\; p_{ij} \log \frac{p_{ij} + 10^{-7}}{q_{ij} + 10^{-7}},\quad
        p_{ij} = K_{ij} / \textstyle\sum_j K_{ij},\; K_{ij} = (\cos(e_i, e_j) + 1) / 2

    Embeddings (B, D) and (B, D'); no gradient reaches the teacher's. Passalis & Tefas, "Learning Deep Representations
    with Probabilistic Knowledge Transfer" (2018), section 3, cosine kernel.
    """
    p, q = _neighbours(teacher_embedding.detach()), _neighbours(student_embedding)
    return (p * ((p + EPSILON) / (q + EPSILON)).log()).mean()


def _neighbours(embedding: Tensor) -> Tensor:
    """Return probabilities (B, B) that one example is a neighbour of another, itself included; rows sum to 1."""
    norms: Tensor = embedding.norm(dim=1, keepdim=True)
    rows = embedding / (norms + EPSILON)
    kernel = (rows @ rows.T + 1) / 2
    return kernel / kernel.sum(1, keepdim=True)


@dataclass(frozen=True)
class ProbabilityTransfer(EmbeddingMethod):
    title: ClassVar[str] = "Neighbour probabilities (PKT)"
    aliases: ClassVar[tuple[str, ...]] = ("PKT",)
    summary: ClassVar[str] = (
        "Match the probability that one example is a neighbour of another in the teacher's embedding space."
    )
    family: ClassVar[str] = "relation"
    paper: ClassVar[str] = "Passalis & Tefas 2018, section 3"
    formula: ClassVar[str] = r"\lambda\,\mathrm{CE} + w\,\mathrm{mean}_{ij}\; p_{ij} \log (p_{ij} / q_{ij})"
    requires: ClassVar[str] = "embeddings of both networks, a whole batch at once"
    defaults_source: ClassVar[str] = "Weight 30000: the common benchmark code for CIFAR-100 (RepDistiller)."
    pitfall: ClassVar[str] = "The mean over all pairs makes it tiny: without a weight of this size it has no effect."
    part_name: ClassVar[str] = "neighbours"
    symbol: ClassVar[str] = r"\mathrm{mean}_{ij}\; p_{ij} \log (p_{ij} / q_{ij})"

    weight: float = weight_option(30_000.0, "the neighbour probabilities", 1_000_000.0)

    def compare(self, student_features: Tensor, teacher_features: Tensor) -> Tensor:
        return probability_transfer(student_features, teacher_features)
