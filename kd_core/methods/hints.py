"""Hints (FitNets), a match of middle features through an adapter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.methods import FeatureMethod, Match, Pair, weight_option
from kd_core.nn.adapters import Regressor, pool_to_vector
from kd_core.nn.hooks import LOGITS, Shape


def hints(student_features: Tensor, teacher_features: Tensor) -> Tensor:
    """Return the mean squared difference of features of the same shape, unitless.

    Maps (B, C, H, W) or vectors (B, D), the student's after the adapter; no gradient reaches the teacher's. Romero et
    al., "FitNets: Hints for Thin Deep Nets" (2015), equation 3, with the mean in place of half the sum.
    """
    return F.mse_loss(student_features, teacher_features.detach())


@dataclass(frozen=True)
class Hints(FeatureMethod):
    title: ClassVar[str] = "Hints (FitNets)"
    aliases: ClassVar[tuple[str, ...]] = ("FitNets",)
    summary: ClassVar[str] = "Match the teacher's features in a middle layer, through a small adapter."
    family: ClassVar[str] = "feature"
    paper: ClassVar[str] = "Romero et al. 2015, section 2.2"
    formula: ClassVar[str] = r"\lambda\,\mathrm{CE} + w\,\mathrm{MSE}(r(F_\text{student}), F_\text{teacher})"
    requires: ClassVar[str] = "one layer of each network; the adapter r makes their shapes equal"
    defaults_source: ClassVar[str] = (
        "Weight 100 on one middle layer: the common benchmark code for CIFAR-100 (RepDistiller)."
    )
    pitfall: ClassVar[str] = "The adapter must be trained with the student, and must not be exported with it."
    part_name: ClassVar[str] = "hints"
    symbol: ClassVar[str] = r"\mathrm{MSE}(r(F_\text{student}), F_\text{teacher})"
    needs_maps: ClassVar[bool] = False

    weight: float = weight_option(100.0, "the hints", 10_000.0)

    def default_matches(self, pair: Pair) -> tuple[Match, ...]:
        """Return the middle stage; for networks without common stages the middle layers, as vectors."""
        if pair.stage_pairs:
            return (Match(*pair.stage_pairs[(len(pair.stage_pairs) - 1) // 2]),)
        student, teacher = (
            [layer for layer in shapes if layer != LOGITS] for shapes in (pair.student_shapes, pair.teacher_shapes)
        )
        return (Match(student[(len(student) - 1) // 2], teacher[(len(teacher) - 1) // 2]),)

    def default_reason(self, pair: Pair) -> str:
        return pair.no_features_reason

    def adapter(self, student: Shape, teacher: Shape) -> nn.Module:
        return Regressor(student, teacher)

    def compare(self, student_features: Tensor, teacher_features: Tensor) -> Tensor:
        return hints(
            student_features, pool_to_vector(teacher_features) if student_features.dim() == 2 else teacher_features
        )
