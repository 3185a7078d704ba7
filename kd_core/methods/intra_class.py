"""Variation of the features within each class of an image (IFVD)."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from kd_core.methods import FeatureMethod, LossInputs, Match, Pair, sum_tensors, weight_option


def intra_class(student_features: Tensor, teacher_features: Tensor, labels: Tensor) -> Tensor:
    r"""Return the mean squared difference of the variations of student and teacher, over images and places, unitless.

    .. math:: \frac{1}{BA} \sum_{n,i} (v^\text{student}_{ni} - v^\text{teacher}_{ni})^2,\quad
        v_{ni} = \cos(F_{ni}, \text{mean of } F_{nj} \text{ over the places } j \text{ of the class of } i)

    Maps (B, C, H, W) with the same H and W and any channels, and the classes (B, H, W) of the places. No gradient
    reaches the teacher's. Wang et al., "Intra-class Feature Variation Distillation for Semantic Segmentation" (2020),
    equations 2 to 4.
    """
    classes = F.one_hot(labels.flatten(1)).to(student_features)
    return F.mse_loss(_variation(student_features, classes), _variation(teacher_features.detach(), classes))


def _variation(features: Tensor, classes: Tensor) -> Tensor:
    """Return the cosine (B, A) of each place and the mean of its class, given one-hot classes (B, A, K)."""
    places = features.flatten(2).transpose(1, 2)
    centres = classes.transpose(1, 2) @ places / classes.sum(1)[:, :, None].clamp(min=1)
    return F.cosine_similarity(places, classes @ centres, dim=2)


@functools.lru_cache(maxsize=64)
def rows_and_columns(places: int, height: int, width: int) -> tuple[int, int]:
    """Return the sides of a grid of so many places with the proportions of a map as far as they can be."""
    rows = [number for number in range(1, places + 1) if places % number == 0]
    best = min(rows, key=lambda number: abs(number * number / places - height / width))
    return best, places // best


def labels_of_places(labels: Tensor, features: Tensor) -> Tensor:
    """Return labels (N,) of rows as those (B, H, W) of the places of maps (B, C, H, W), the nearest ones.

    A class of a whole image is that of all its places.
    """
    batch, _, height, width = features.shape
    grid = labels.view(batch, 1, *rows_and_columns(len(labels) // batch, height, width))
    return F.interpolate(grid.to(features), (height, width), mode="nearest")[:, 0].long()


@dataclass(frozen=True)
class IntraClass(FeatureMethod):
    title: ClassVar[str] = "Variation within classes (IFVD)"
    aliases: ClassVar[tuple[str, ...]] = ("IFVD",)
    summary: ClassVar[str] = (
        "How far is each place of an image from the centre of its class? Match the teacher's cosines; the channels may "
        "differ."
    )
    family: ClassVar[str] = "relation"
    paper: ClassVar[str] = "Wang et al. 2020, section 3.2"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{CE} + \tfrac{w}{BA} \textstyle\sum_{n,i} (v^\text{student}_{ni} - v^\text{teacher}_{ni})^2,"
        r"\; v_{ni} = \cos(F_{ni}, \text{mean of its class})"
    )
    requires: ClassVar[str] = "one feature map of each network, with any numbers of channels, and labels of places"
    defaults_source: ClassVar[str] = "The last feature map and weight 50: the authors' code."
    pitfall: ClassVar[str] = (
        "Centres are those of one image: where an image has one class, its own mean is the centre of all places."
    )
    takes_numbers: ClassVar[bool] = False
    needs_several_classes: ClassVar[bool] = True
    part_name: ClassVar[str] = "variation within classes"
    symbol: ClassVar[str] = r"\tfrac{1}{BA} \textstyle\sum_{n,i} (v^\text{student}_{ni} - v^\text{teacher}_{ni})^2"

    weight: float = weight_option(50.0, "the variation", 1000.0)

    def default_matches(self, pair: Pair) -> tuple[Match, ...]:
        return tuple(Match(*names) for names in pair.stage_pairs[-1:])

    def distillation_loss(self, signals: LossInputs) -> Tensor:
        values = []
        for student, teacher in self.matched_features(signals):
            size = teacher.shape[2:]
            resized = student if student.shape[2:] == size else F.interpolate(student, size, mode="bilinear")
            values.append(intra_class(resized, teacher, labels_of_places(signals.labels, teacher)))
        return sum_tensors(values)
