"""Imitation of the neck's features of a detector, weighted by the teacher's scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.methods import FeatureMethod, LossInputs, Match, Pair, sum_tensors, weight_option
from kd_core.nn.hooks import Shape
from kd_core.tasks._boxes import object_scores


def score_weighted_features(student_features: Tensor, teacher_features: Tensor, scores: Tensor) -> Tensor:
    r"""Return the squared difference of features, weighted by the scores of their places, unitless.

    .. math:: \frac{1}{C \sum_{np} s_{np}} \sum_{np} s_{np} \sum_c (F^\text{student}_{ncp} - F^\text{teacher}_{ncp})^2

    Maps (B, C, H, W) of the same shape, the student's after the adapter, and scores (B, H, W) in [0, 1]. No gradient
    reaches the scores or the teacher's.
    """
    difference = (student_features - teacher_features.detach()).pow(2).mean(1)
    scores = scores.detach()
    return (scores * difference).sum() / scores.sum().clamp(min=1e-6)


@dataclass(frozen=True)
class ScoreWeightedFeatures(FeatureMethod):
    title: ClassVar[str] = "Score-weighted features"
    summary: ClassVar[str] = "Match the teacher's features, most where the teacher sees an object."
    family: ClassVar[str] = "feature"
    paper: ClassVar[str] = "Ultralytics 2026, guide “Knowledge distillation”"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{CE} + \tfrac{w}{\sum s} \textstyle\sum_{\text{places}} s\, "
        r"\mathrm{MSE}(r(F_\text{student}), F_\text{teacher})"
    )
    requires: ClassVar[str] = "two detectors; the adapter r makes the numbers of channels equal"
    defaults_source: ClassVar[str] = "Weight 6 and a projector of two 1 × 1 convolutions with ReLU: Ultralytics' code."
    pitfall: ClassVar[str] = "Where the teacher sees nothing, nothing is matched: its false alarms are, too."
    part_name: ClassVar[str] = "features"
    symbol: ClassVar[str] = r"\tfrac{1}{\sum s} \textstyle\sum s\,\mathrm{MSE}(r(F_\text{student}), F_\text{teacher})"

    weight: float = weight_option(6.0, "the features")

    def default_matches(self, pair: Pair) -> tuple[Match, ...]:
        return tuple(Match(*names) for names in pair.stage_pairs[-1:])

    def unsupported_reason(self, pair: Pair) -> str:
        return pair.no_boxes_reason or super().unsupported_reason(pair)

    def adapter(self, student: Shape, teacher: Shape) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(student[0], teacher[0], 1), nn.ReLU(), nn.Conv2d(teacher[0], teacher[0], 1)
        )  # fmt: skip

    def distillation_loss(self, signals: LossInputs) -> Tensor:
        terms = []
        for student, teacher in self.matched_features(signals):
            cells = len(signals.teacher_logits) // len(teacher)
            scores = object_scores(signals.teacher_logits).reshape(len(teacher), round(cells**0.5), -1)
            resized = F.interpolate(student, teacher.shape[2:], mode="area")
            terms.append(
                score_weighted_features(resized, teacher, F.adaptive_max_pool2d(scores, teacher.shape[2:]))
            )  # fmt: skip
        return sum_tensors(terms)
