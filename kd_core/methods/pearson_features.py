"""Pearson correlation of features (PKD), channel by channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.base.options import choice
from kd_core.methods import FeatureMethod, Match, Pair, weight_option
from kd_core.nn.hooks import Shape

MSE, PEARSON = "mse", "pearson"
EPSILON = 1e-6  # of the standard deviation, as in the code


def pearson_features(student_features: Tensor, teacher_features: Tensor, form: str = MSE) -> Tensor:
    r"""Return how little the channels of two maps correlate, unitless.

    Maps (B, C, H, W) with the same number of channels; the student's are resized bilinearly to the teacher's size. No
    gradient reaches the teacher's. Cao et al., "PKD: General Distillation Framework for Object Detectors via Pearson
    Correlation Coefficient" (2022), section 3.2. The ``form`` "mse" is that of mmrazor's code, half the mean squared
    difference after each channel is standardised over batch and places,

    .. math:: \tfrac{1}{2}\,\mathrm{MSE}(\hat s, \hat t),\quad \hat f = (f - \mu) / (\sigma + 10^{-6})

    and "pearson" that of the paper, the mean of 1 - r over the channels. With the unbiased σ of the code the first is
    (n - 1) / n of the second, for n = B · H · W.
    """
    teacher = teacher_features.detach()
    if student_features.shape[2:] != teacher.shape[2:]:
        student_features = F.interpolate(student_features, teacher.shape[2:], mode="bilinear")
    student, teacher = (features.transpose(0, 1).flatten(1) for features in (student_features, teacher))
    if form == PEARSON:
        student, teacher = (features - features.mean(1, keepdim=True) for features in (student, teacher))
        return (1 - F.cosine_similarity(student, teacher, dim=1)).mean()
    return F.mse_loss(_standardised(student), _standardised(teacher)) / 2


def _standardised(channels: Tensor) -> Tensor:
    """Return channels (C, n) with mean 0 and standard deviation 1; a constant one is 0, with a finite gradient."""
    centred = channels - channels.mean(1, keepdim=True)
    variance = centred.pow(2).sum(1, keepdim=True) / max(1, channels.shape[1] - 1)
    is_constant = variance == 0
    deviation = torch.where(is_constant, 1.0, variance).sqrt().masked_fill(is_constant, 0.0)
    return centred / (deviation + EPSILON)


@dataclass(frozen=True)
class PearsonFeatures(FeatureMethod):
    title: ClassVar[str] = "Pearson correlation of features (PKD)"
    aliases: ClassVar[tuple[str, ...]] = ("PKD",)
    summary: ClassVar[str] = "Match the teacher's feature maps up to the mean and the scale of each channel."
    family: ClassVar[str] = "feature"
    paper: ClassVar[str] = "Cao et al. 2022, section 3.2"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{CE} + \tfrac{w}{2}\,\mathrm{MSE}(\hat F_\text{student}, \hat F_\text{teacher})"
    )
    requires: ClassVar[str] = "one feature map of each network; an adapter makes the numbers of channels equal"
    defaults_source: ClassVar[str] = "The code of mmrazor: the form with squares, weight 6, on the maps of the neck."
    pitfall: ClassVar[str] = (
        "The code calls its squared difference equal to 1 - r, which holds only up to the factor (n - 1) / n."
    )
    part_name: ClassVar[str] = "correlation of features"
    symbol: ClassVar[str] = r"\tfrac{1}{2}\,\mathrm{MSE}(\hat F_\text{student}, \hat F_\text{teacher})"

    weight: float = weight_option(6.0, "the features")
    form: str = choice(MSE, (MSE, PEARSON), "Squares of standardised features, or 1 - r.", label="Form of the term")

    def default_matches(self, pair: Pair) -> tuple[Match, ...]:
        return tuple(Match(*names) for names in pair.stage_pairs[-1:])

    def adapter(self, student: Shape, teacher: Shape) -> nn.Module | None:
        return None if student[0] == teacher[0] else nn.Conv2d(student[0], teacher[0], 1)

    def compare(self, student_features: Tensor, teacher_features: Tensor) -> Tensor:
        return pearson_features(student_features, teacher_features, self.form)
