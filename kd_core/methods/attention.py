"""Attention transfer: the student looks where the teacher looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from kd_core.base.options import number
from kd_core.methods import FeatureMethod, weight_option
from kd_core.nn.adapters import match_sizes


def attention(student_features: Tensor, teacher_features: Tensor, p: float = 2) -> Tensor:
    r"""Squared difference of the normalised attention maps, mean over batch and places, without a unit.

    .. math:: A(F) = v / \max(\|v\|_2, 10^{-12}),\quad v = \mathrm{flatten}(\tfrac{1}{C} \sum_c |F_c|^p)

    Maps (B, C, H, W), any number of channels; the larger one is averaged down to the smaller first. No gradient
    reaches the teacher's. Zagoruyko & Komodakis, "Paying More Attention to Attention" (2017), section 3.1, as in
    their code; their equation 2 has the norm of the difference instead of its mean square.
    """
    student, teacher = match_sizes(student_features, teacher_features.detach())
    return F.mse_loss(attention_map(student, p), attention_map(teacher, p))


def attention_map(features: Tensor, p: float = 2) -> Tensor:
    """(B, H · W) of length 1: how strongly a network answers at every place."""
    return F.normalize(features.abs().pow(p).mean(1).flatten(1))


@dataclass(frozen=True)
class Attention(FeatureMethod):
    title: ClassVar[str] = "Attention transfer"
    aliases: ClassVar[tuple[str, ...]] = ("AT",)
    summary: ClassVar[str] = (
        "Look where the teacher looks: match at which places its features are strong, not what they are."
    )
    family: ClassVar[str] = "feature"
    paper: ClassVar[str] = "Zagoruyko & Komodakis 2017, section 3.1"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{CE} + w \textstyle\sum_l \mathrm{MSE}(A(F^l_\text{student}), A(F^l_\text{teacher}))"
    )
    requires: ClassVar[str] = "feature maps of both networks, any number of channels"
    defaults_source: ClassVar[str] = (
        "p 2 and weight 1000: the authors' code and the common benchmark code (RepDistiller)."
    )
    pitfall: ClassVar[str] = "The paper writes a norm, the code a mean of squares: 64 times smaller on 8 × 8 maps."
    part_name: ClassVar[str] = "attention"
    symbol: ClassVar[str] = r"\textstyle\sum_l \mathrm{MSE}(A^l_\text{student}, A^l_\text{teacher})"

    weight: float = weight_option(1000.0, "the attention maps", 100_000.0)
    p: float = number(2.0, 1.0, 4.0, "Power that the features are raised to before they are summed.", step=0.5)

    def compare(self, student_features: Tensor, teacher_features: Tensor) -> Tensor:
        return attention(student_features, teacher_features, self.p)
