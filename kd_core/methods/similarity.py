"""Similarity-preserving distillation (SP) of pairwise similarities of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from kd_core.methods import FeatureMethod, Match, Pair, weight_option
from kd_core.nn.hooks import LOGITS


def similarity(student_features: Tensor, teacher_features: Tensor) -> Tensor:
    r"""Return the mean squared difference of the batch's normalised similarity matrices over the B² pairs, unitless.

    .. math:: \|G_s - G_t\|_F^2 / B^2,\quad G = X X^\top \text{ with rows of length 1}

    Features (B, ...) of any shapes, flattened to X. No gradient reaches the teacher's. Tung & Mori,
    "Similarity-Preserving Knowledge Distillation" (2019), equations 1 to 4.
    """
    return F.mse_loss(_similarities(student_features), _similarities(teacher_features.detach()))


def _similarities(features: Tensor) -> Tensor:
    rows = features.flatten(1)
    return F.normalize(rows @ rows.T)


@dataclass(frozen=True)
class Similarity(FeatureMethod):
    title: ClassVar[str] = "Similarity of examples (SP)"
    aliases: ClassVar[tuple[str, ...]] = ("SP",)
    summary: ClassVar[str] = (
        "Examples that are similar to the teacher should be similar to the student; the shapes may differ."
    )
    family: ClassVar[str] = "relation"
    paper: ClassVar[str] = "Tung & Mori 2019, section 3.1"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{CE} + \tfrac{w}{B^2}\,\lVert G_\text{student} - G_\text{teacher} \rVert_F^2"
    )
    requires: ClassVar[str] = "one layer of each network, of any shapes, and a whole batch at once"
    defaults_source: ClassVar[str] = (
        "The last feature map, weight 3000: the paper and the common benchmark code (RepDistiller)."
    )
    pitfall: ClassVar[str] = (
        "A popular library divides the rows by their sum instead of their length: six times smaller."
    )
    part_name: ClassVar[str] = "similarity"
    symbol: ClassVar[str] = r"\tfrac{1}{B^2}\lVert G_\text{student} - G_\text{teacher} \rVert_F^2"
    needs_maps: ClassVar[bool] = False

    weight: float = weight_option(3000.0, "the similarities", 100_000.0)

    def default_matches(self, pair: Pair) -> tuple[Match, ...]:
        """Return the last feature maps; in networks without common stages the last layers before the logits."""
        if pair.stage_pairs:
            return (Match(*pair.stage_pairs[-1]),)
        student, teacher = (
            [layer for layer in shapes if layer != LOGITS][-1] for shapes in (pair.student_shapes, pair.teacher_shapes)
        )
        return (Match(student, teacher),)

    def default_reason(self, pair: Pair) -> str:
        return pair.no_features_reason

    def compare(self, student_features: Tensor, teacher_features: Tensor) -> Tensor:
        return similarity(student_features, teacher_features)
