"""Variational information distillation (VID), a Gaussian prediction of the teacher's features."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.methods import FeatureMethod, LossInputs, sum_tensors, weight_option
from kd_core.nn.adapters import describe, match_sizes
from kd_core.nn.hooks import Shape

EPSILON = 1e-5
INITIAL_VARIANCE = 5.0


def variational_information(student_features: Tensor, teacher_features: Tensor, variance: Tensor) -> Tensor:
    r"""Return the Gaussian negative log-likelihood of the teacher's maps in nats, without its constant, mean over all.

    .. math:: \tfrac{1}{2} \mathrm{mean}\big((t - \mu)^2 / \sigma_c^2 + \log \sigma_c^2\big)

    The means μ are the student's features after the adapter, (B, C, H, W) like the teacher's; ``variance`` (C) is
    learned, one for each channel. It can be negative. No gradient reaches the teacher's. Ahn et al., "Variational
    Information Distillation for Knowledge Transfer" (2019), equation 5.
    """
    variance = variance.view(1, -1, 1, 1)
    return 0.5 * ((student_features - teacher_features.detach()) ** 2 / variance + variance.log()).mean()


class Estimate(nn.Module):
    """Gaussian estimate of the teacher's maps with three 1 × 1 convolutions and a variance per channel."""

    def __init__(self, student: int, teacher: int) -> None:
        super().__init__()
        self.means = nn.Sequential(
            nn.Conv2d(student, teacher, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(teacher, teacher, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(teacher, teacher, 1, bias=False),
        )
        self.scale = nn.Parameter(torch.full((teacher,), math.log(math.expm1(INITIAL_VARIANCE - EPSILON))))

    @property
    def variance(self) -> Tensor:
        """Variance (C,) of every channel of the teacher's maps."""
        return F.softplus(self.scale) + EPSILON

    def in_words(self) -> str:
        return f"{describe(self.means)}; {len(self.scale)} variances"


@dataclass(frozen=True)
class VariationalInformation(FeatureMethod):
    title: ClassVar[str] = "Variational information (VID)"
    aliases: ClassVar[tuple[str, ...]] = ("VID",)
    summary: ClassVar[str] = (
        "Let the student's features predict the teacher's, with a learned variance per channel: channels that cannot "
        "be predicted count less."
    )
    family: ClassVar[str] = "feature"
    paper: ClassVar[str] = "Ahn et al. 2019, section 2"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{CE} + w \textstyle\sum_l \tfrac{1}{2}\,\mathrm{mean}\big((F^l_\text{teacher} - "
        r"\mu(F^l_\text{student}))^2"
        r" / \sigma_c^2 + \log \sigma_c^2\big)"
    )
    requires: ClassVar[str] = "feature maps of both networks; adapters μ and variances are learned"
    defaults_source: ClassVar[str] = (
        "Weight 1, variance 5 at the start: the common benchmark code for CIFAR-100 (RepDistiller)."
    )
    pitfall: ClassVar[str] = (
        "Variances that are not passed to the optimiser are never learned, a bug of a popular library."
    )
    part_name: ClassVar[str] = "information"
    symbol: ClassVar[str] = r"\textstyle\sum_l -\log q(F^l_\text{teacher} \mid F^l_\text{student})"

    weight: float = weight_option(1.0, "the information")

    def adapter(self, student: Shape, teacher: Shape) -> nn.Module:
        return Estimate(student[0], teacher[0])

    def distillation_loss(self, signals: LossInputs) -> Tensor:
        terms = []
        for index, match in enumerate(signals.matches):
            adapter = signals.adapters[f"student {index}"]
            assert isinstance(adapter, Estimate)
            student, teacher = match_sizes(
                signals.student_features[match.student], signals.teacher_features[match.teacher]
            )
            terms.append(variational_information(adapter.means(student), teacher, adapter.variance))
        return sum_tensors(terms)
