"""Flow of the solution procedure (FSP), Gram matrices between adjacent stages."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.methods import FeatureMethod, LossInputs, Pair, sum_tensors, weight_option
from kd_core.nn.adapters import match_sizes
from kd_core.nn.hooks import Shape, format_shape

Maps = tuple[Tensor, Tensor]


def flow(student_pair: Maps, teacher_pair: Maps) -> Tensor:
    """Return the mean squared difference of the flow matrices over batch and entries, unitless.

    Each pair holds the maps (B, C1, H, W) and (B, C2, H', W') of two layers of one network; C1 and C2 are the same in
    both networks. No gradient reaches the teacher's. Yim et al., "A Gift from Knowledge Distillation" (2017),
    equations 1 and 2.
    """
    lower, upper = (features.detach() for features in teacher_pair)
    return F.mse_loss(flow_matrix(*student_pair), flow_matrix(lower, upper))


def flow_matrix(lower: Tensor, upper: Tensor) -> Tensor:
    """Return flow matrices (B, C1, C2), inner products of all pairs of channels, mean over the pixels."""
    lower, upper = (features.flatten(2) for features in match_sizes(lower, upper))
    return lower @ upper.transpose(1, 2) / lower.shape[2]


@dataclass(frozen=True)
class Flow(FeatureMethod):
    title: ClassVar[str] = "Flow between layers (FSP)"
    aliases: ClassVar[tuple[str, ...]] = ("FSP",)
    summary: ClassVar[str] = "Match how the features of one layer relate to those of the next."
    family: ClassVar[str] = "relation"
    paper: ClassVar[str] = "Yim et al. 2017, section 3"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{CE} + w \textstyle\sum_l \mathrm{MSE}(G^l_\text{student}, G^l_\text{teacher}),\;"
        r" G^l = \tfrac{1}{HW} F^l (F^{l+1})^\top"
    )
    requires: ClassVar[str] = "two or more feature maps of both networks; where their channels differ, an adapter"
    defaults_source: ClassVar[str] = (
        "Weight 50: the common benchmark code for CIFAR-100 (RepDistiller), which uses it before training."
    )
    pitfall: ClassVar[str] = "The paper pairs networks of equal widths only; the adapter for other widths is ours."
    part_name: ClassVar[str] = "flow"
    symbol: ClassVar[str] = r"\textstyle\sum_l \mathrm{MSE}(G^l_\text{student}, G^l_\text{teacher})"

    weight: float = weight_option(50.0, "the flow", 5000.0)

    def unsupported_reason(self, pair: Pair) -> str:
        if self.layers and len(self.matches(pair)) < 2:
            return "relates a layer to the next one, and only one pair of layers is named"
        return super().unsupported_reason(pair)

    def default_reason(self, pair: Pair) -> str:
        if pair.no_maps_reason or len(pair.stage_pairs) > 1:
            return pair.no_maps_reason
        ((student, teacher),) = pair.stage_pairs
        return (
            "needs two feature maps of each network, and here only one of each can be paired: "
            f"{format_shape(pair.student_shapes[student])} of the student, "
            f"{format_shape(pair.teacher_shapes[teacher])} of "
            f"the teacher"
        )

    def adapter(self, student: Shape, teacher: Shape) -> nn.Module | None:
        return None if student[0] == teacher[0] else nn.Conv2d(student[0], teacher[0], 1)

    def distillation_loss(self, signals: LossInputs) -> Tensor:
        student, teacher = zip(*self.matched_features(signals), strict=True)
        terms = [flow(*both) for both in zip(pairwise(student), pairwise(teacher), strict=True)]
        return sum_tensors(terms)
