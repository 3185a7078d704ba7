"""Attention transfer (AT), a match of spatial attention maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from kd_core.base.options import number
from kd_core.methods import FeatureMethod, weight_option
from kd_core.nn.adapters import match_sizes


def attention(student_features: Tensor, teacher_features: Tensor, p: float = 2) -> Tensor:
    r"""Return the mean squared difference of the normalised attention maps over batch and pixels, unitless.

    .. math:: A(F) = v / \max(\|v\|_2, 10^{-12}),\quad v = \mathrm{flatten}(\tfrac{1}{C} \sum_c |F_c|^p)

    Maps (B, C, H, W), any number of channels; the larger one is first average-pooled to the smaller. No gradient
    reaches the teacher's. Zagoruyko & Komodakis, "Paying More Attention to Attention" (2017), section 3.1, as in
    their code; their equation 2 has the norm of the difference instead of its mean square.
    """
    student, teacher = match_sizes(student_features, teacher_features.detach())
    return F.mse_loss(attention_map(student, p), attention_map(teacher, p))


def attention_map(features: Tensor, p: float = 2) -> Tensor:
    """Return attention maps (B, H · W) of norm 1, the mean strength of the features at every pixel."""
    return F.normalize(features.abs().pow(p).mean(1).flatten(1))


@dataclass(frozen=True)
class Attention(FeatureMethod):
    title: ClassVar[str] = "Attention transfer"
    aliases: ClassVar[tuple[str, ...]] = ("AT",)
    summary: ClassVar[str] = "Match where the teacher's feature maps are strong, not which features they are."
    family: ClassVar[str] = "feature"
    paper: ClassVar[str] = "Zagoruyko & Komodakis 2017, section 3.1"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{CE} + w \textstyle\sum_l \mathrm{MSE}(A(F^l_\text{student}), A(F^l_\text{teacher}))"
    )
    requires: ClassVar[str] = "feature maps of both networks, any number of channels"
    defaults_source: ClassVar[str] = (
        "p 2 and weight 1000: the authors' code and the common benchmark code (RepDistiller)."
    )
    pitfall: ClassVar[str] = (
        "The paper defines a norm, its code a mean of squares, which is 64 times smaller on 8 × 8 maps."
    )
    part_name: ClassVar[str] = "attention"
    symbol: ClassVar[str] = r"\textstyle\sum_l \mathrm{MSE}(A^l_\text{student}, A^l_\text{teacher})"

    weight: float = weight_option(1000.0, "the attention maps", 100_000.0)
    p: float = number(2.0, 1.0, 4.0, "Power that the features are raised to before they are averaged.", step=0.5)

    def compare(self, student_features: Tensor, teacher_features: Tensor) -> Tensor:
        return attention(student_features, teacher_features, self.p)
