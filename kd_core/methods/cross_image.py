"""Similarities of the places of an image to those of every image of a batch (cross-image relations, CIRKD)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from kd_core.base.options import integer, number
from kd_core.methods import FeatureMethod, Match, Pair, weight_option


def cross_image(student_features: Tensor, teacher_features: Tensor, temperature: float = 0.1) -> Tensor:
    r"""Return KL(teacher ‖ student) of the places of an image that a place is like, in nats, mean over all pairs.

    .. math:: \frac{1}{B^2A} \sum_{m,n} \sum_i \mathrm{KL}(p_{mni} \parallel q_{mni}),\quad
        p_{mni} = \mathrm{softmax}_j(\cos(F^\text{teacher}_{mi}, F^\text{teacher}_{nj}) / \tau)

    Maps (B, C, H, W) with the same A = H · W places and any channels. No gradient reaches the teacher's. Yang et al.,
    "Cross-Image Relational Knowledge Distillation for Semantic Segmentation" (2022), equations 4 to 6.
    """
    log_q = _log_similarities(student_features, temperature)
    log_p = _log_similarities(teacher_features.detach(), temperature)
    return F.kl_div(log_q, log_p, reduction="none", log_target=True).sum(-1).mean()


def _log_similarities(features: Tensor, temperature: float) -> Tensor:
    """Return log-probabilities (B · A, B, A), of every place over the places of every image."""
    batch, channels = features.shape[:2]
    places = F.normalize(features.flatten(2), dim=1).transpose(1, 2).reshape(-1, channels)
    return (places @ places.T / temperature).view(len(places), batch, -1).log_softmax(-1)


@dataclass(frozen=True)
class CrossImage(FeatureMethod):
    title: ClassVar[str] = "Cross-image relations (CIRKD)"
    aliases: ClassVar[tuple[str, ...]] = ("CIRKD",)
    summary: ClassVar[str] = (
        "To which places of the other images of the batch is a place alike? Match the teacher's softened answer."
    )
    family: ClassVar[str] = "relation"
    paper: ClassVar[str] = "Yang et al. 2022, section 3.2"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{CE} + \tfrac{w}{B^2A} \textstyle\sum_{m,n,i} \mathrm{KL}(p^\text{teacher}_{mni} \parallel "
        r"p^\text{student}_{mni}),\; p_{mni} = \mathrm{softmax}_j(\cos(F_{mi}, F_{nj})/\tau)"
    )
    requires: ClassVar[str] = "one feature map of each network, with any numbers of channels, and a whole batch at once"
    defaults_source: ClassVar[str] = (
        "The last feature map, τ 0.1 and weight 1: the paper. Its memory of earlier batches is left out."
    )
    pitfall: ClassVar[str] = "The temperature divides cosines, which are at most 1: at τ = 1 all places are alike."
    part_name: ClassVar[str] = "cross-image relations"
    symbol: ClassVar[str] = (
        r"\tfrac{1}{B^2A} \textstyle\sum_{m,n,i} \mathrm{KL}(p^\text{teacher}_{mni} \parallel p^\text{student}_{mni})"
    )

    weight: float = weight_option(1.0, "the relations")
    tau: float = number(
        0.1, 0.01, 10.0, "Divides the cosines before softmax; a lower one looks at the most similar places alone.",
        step=0.01, label="Temperature τ of the cosines", live=True, log=True,
    )  # fmt: skip
    grid: int = integer(8, 1, 16, "Rows and columns of the places that are compared; larger maps are pooled to them.")

    def default_matches(self, pair: Pair) -> tuple[Match, ...]:
        return tuple(Match(*names) for names in pair.stage_pairs[-1:])

    def compare(self, student_features: Tensor, teacher_features: Tensor) -> Tensor:
        height, width = (min(self.grid, side) for side in teacher_features.shape[2:])
        pooled = (F.adaptive_avg_pool2d(maps, (height, width)) for maps in (student_features, teacher_features))
        student, teacher = pooled
        return cross_image(student, teacher, self.tau)
