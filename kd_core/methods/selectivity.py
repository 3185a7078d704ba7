"""Neuron selectivity transfer (NST), the maximum mean discrepancy of channel activations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from kd_core.methods import FeatureMethod, weight_option
from kd_core.nn.adapters import match_sizes


def selectivity(student_features: Tensor, teacher_features: Tensor) -> Tensor:
    r"""Return the squared maximum mean discrepancy of normalised channel maps, mean over the batch, unitless.

    .. math:: \mathrm{mean}\,k(t, t') + \mathrm{mean}\,k(s, s') - 2\,\mathrm{mean}\,k(s, t),\quad k(a, b) = (a^\top b)^2

    Every channel of the maps (B, C, H, W) is one sample, a vector of norm 1 over the pixels; the larger map is
    average-pooled first, the numbers of channels may differ. No gradient reaches the teacher's. Huang & Wang, "Like
    What You Like: Knowledge Distill via Neuron Selectivity Transfer" (2017), section 4, polynomial kernel.
    """
    student, teacher = match_sizes(student_features, teacher_features.detach())
    s, t = (F.normalize(features.flatten(2), dim=2) for features in (student, teacher))
    return _kernel(t, t) + _kernel(s, s) - 2 * _kernel(s, t)


def _kernel(first: Tensor, second: Tensor) -> Tensor:
    """Return the squared inner product, mean over batch and pairs of channels."""
    return (first @ second.transpose(1, 2)).pow(2).mean()


@dataclass(frozen=True)
class Selectivity(FeatureMethod):
    title: ClassVar[str] = "Neuron selectivity (NST)"
    aliases: ClassVar[tuple[str, ...]] = ("NST",)
    summary: ClassVar[str] = "Match the distribution of the channels' spatial patterns; no channel has a fixed partner."
    family: ClassVar[str] = "feature"
    paper: ClassVar[str] = "Huang & Wang 2017, section 4"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{CE} + w \textstyle\sum_l \mathrm{MMD}^2(F^l_\text{student}, F^l_\text{teacher})"
    )
    requires: ClassVar[str] = "feature maps of both networks, any number of channels"
    defaults_source: ClassVar[str] = "Weight 50: the common benchmark code for CIFAR-100 (RepDistiller)."
    pitfall: ClassVar[str] = "All pairs of channels are compared: memory grows with their product."
    part_name: ClassVar[str] = "selectivity"
    symbol: ClassVar[str] = r"\textstyle\sum_l \mathrm{MMD}^2(F^l_\text{student}, F^l_\text{teacher})"

    weight: float = weight_option(50.0, "the channels’ patterns", 5000.0)

    def compare(self, student_features: Tensor, teacher_features: Tensor) -> Tensor:
        return selectivity(student_features, teacher_features)
