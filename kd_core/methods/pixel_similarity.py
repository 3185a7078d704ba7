"""Similarities of the places of an image (pair-wise structured distillation, SKD)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from kd_core.base.options import integer
from kd_core.methods import FeatureMethod, Match, Pair, weight_option


def pixel_similarity(student_features: Tensor, teacher_features: Tensor) -> Tensor:
    r"""Return the mean squared difference of the cosines between all pairs of places, over images and pairs, unitless.

    .. math:: \frac{1}{BA^2} \sum_n \sum_{i,j} (a^\text{student}_{nij} - a^\text{teacher}_{nij})^2,\quad
        a_{nij} = \cos(F_{ni}, F_{nj})

    Maps (B, C, H, W) with the same A = H · W places and any channels. No gradient reaches the teacher's. Liu et al.,
    "Structured Knowledge Distillation for Semantic Segmentation" (2019), equation 3.
    """
    return F.mse_loss(_cosines(student_features), _cosines(teacher_features.detach()))


def _cosines(features: Tensor) -> Tensor:
    places = F.normalize(features.flatten(2), dim=1)
    return places.transpose(1, 2) @ places


@dataclass(frozen=True)
class PixelSimilarity(FeatureMethod):
    title: ClassVar[str] = "Similarity of places (SKD)"
    aliases: ClassVar[tuple[str, ...]] = ("SKD", "pair-wise")
    summary: ClassVar[str] = (
        "Places of an image that look alike to the teacher should look alike to the student; the channels may differ."
    )
    family: ClassVar[str] = "relation"
    paper: ClassVar[str] = "Liu et al. 2019, section 3.2"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{CE} + \tfrac{w}{BA^2} \textstyle\sum_{n,i,j} (\cos^\text{student}_{nij} - "
        r"\cos^\text{teacher}_{nij})^2"
    )
    requires: ClassVar[str] = "one feature map of each network, with any numbers of channels"
    defaults_source: ClassVar[str] = (
        "The last feature map, largest values of a grid, weight 1: the authors' code, whose grid is 2 × 2; the paper's "
        "best one is finer."
    )
    pitfall: ClassVar[str] = "All pairs of places are compared: twice as fine a grid costs sixteen times as much."
    part_name: ClassVar[str] = "similarity of places"
    symbol: ClassVar[str] = (
        r"\tfrac{1}{BA^2} \textstyle\sum_{n,i,j} (\cos^\text{student}_{nij} - \cos^\text{teacher}_{nij})^2"
    )

    weight: float = weight_option(1.0, "the similarities of places")
    grid: int = integer(8, 1, 32, "Rows and columns of the places that are compared; larger maps are pooled to them.")

    def default_matches(self, pair: Pair) -> tuple[Match, ...]:
        return tuple(Match(*names) for names in pair.stage_pairs[-1:])

    def compare(self, student_features: Tensor, teacher_features: Tensor) -> Tensor:
        places = [min(self.grid, side) for side in teacher_features.shape[2:]]
        return pixel_similarity(*(F.adaptive_max_pool2d(maps, places) for maps in (student_features, teacher_features)))
