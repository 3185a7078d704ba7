"""Knowledge review (ReviewKD), a match of student stages fused with later ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.base.options import integer
from kd_core.methods import FeatureMethod, LossInputs, LossPart, Pair, sum_tensors, weight_option
from kd_core.nn.adapters import describe, pool_to_size

PYRAMID_SIZES = (4, 2, 1)
MAX_CHANNELS = 512  # of the fused features


def review(student_features: Tensor, teacher_features: Tensor) -> Tensor:
    """Return the hierarchical context loss, a weighted mean of squared differences at several sizes, unitless.

    Maps (B, C, H, W) of the same shape, compared as they are (weight 1) and average-pooled to 4 × 4, 2 × 2 and 1 × 1
    (weights 1/2, 1/4, 1/8), as far as that is smaller. No gradient reaches the teacher's. Chen et al., "Distilling
    Knowledge via Knowledge Review" (2021), section 3.3.
    """
    teacher = teacher_features.detach()
    loss, weights = F.mse_loss(student_features, teacher), 1.0
    smaller = [level for level in PYRAMID_SIZES if level < student_features.shape[2]]
    for power, level in enumerate(smaller, start=1):
        loss = loss + 2.0**-power * F.mse_loss(
            pool_to_size(student_features, (level, level)), pool_to_size(teacher, (level, level))
        )
        weights += 2.0**-power
    return loss / weights


class Fusion(nn.Module):
    """Attention-based fusion of one student stage with the fused later stages (section 3.3, ABF)."""

    def __init__(self, student: int, middle: int, teacher: int, is_first: bool) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Conv2d(student, middle, 1, bias=False), nn.BatchNorm2d(middle))
        self.leave = nn.Sequential(nn.Conv2d(middle, teacher, 3, padding=1, bias=False), nn.BatchNorm2d(teacher))
        self.weigh = None if is_first else nn.Conv2d(2 * middle, 2, 1)

    def forward(self, features: Tensor, later: Tensor | None, size: torch.Size) -> tuple[Tensor, Tensor]:
        """Return maps to compare with the teacher's of that ``size``, and the fused maps for the stage before."""
        fused = self.enter(features)
        if self.weigh is not None and later is not None:
            later = F.interpolate(later, fused.shape[2:], mode="nearest")
            attention = self.weigh(torch.cat([fused, later], 1)).sigmoid()
            fused = fused * attention[:, :1] + later * attention[:, 1:]
        return self.leave(F.interpolate(fused, size, mode="nearest")), fused

    def in_words(self) -> str:
        fused = "" if self.weigh is None else "fused with the later stage, "
        return f"{describe(self.enter)}, {fused}{describe(self.leave)}"


@dataclass(frozen=True)
class Review(FeatureMethod):
    title: ClassVar[str] = "Knowledge review (ReviewKD)"
    aliases: ClassVar[tuple[str, ...]] = ("ReviewKD",)
    summary: ClassVar[str] = (
        "Later stages of the student are fused into its earlier ones before each is matched with the teacher."
    )
    family: ClassVar[str] = "feature"
    paper: ClassVar[str] = "Chen et al. 2021, section 3"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{CE} + w \textstyle\sum_l \mathrm{HCL}(\mathrm{ABF}(F^l_\text{student}, "
        r"F^{l+1}_\text{student}, \dots),"
        r" F^l_\text{teacher})"
    )
    requires: ClassVar[str] = "feature maps of both networks; fusing adapters are learned"
    defaults_source: ClassVar[str] = (
        "Weight 1 (0.6 to 8 by networks), warm-up of 20 epochs: the authors' scripts for CIFAR-100."
    )
    pitfall: ClassVar[str] = "Without the warm-up the untrained adapters pull the student the wrong way at first."
    part_name: ClassVar[str] = "review"
    symbol: ClassVar[str] = r"\textstyle\sum_l \mathrm{HCL}(\mathrm{ABF}^l_\text{student}, F^l_\text{teacher})"

    weight: float = weight_option(1.0, "the review")
    warm_up: int = integer(20, 0, 1000, "Epochs over which the term grows to its full weight.")

    def adapters(self, pair: Pair, labels: Tensor) -> nn.ModuleDict:  # noqa: ARG002
        matches = self.matches(pair)
        middle = min(MAX_CHANNELS, pair.student_shapes[matches[-1].student][0])
        return nn.ModuleDict(
            {
                f"student {index}": Fusion(
                    pair.student_shapes[match.student][0],
                    middle,
                    pair.teacher_shapes[match.teacher][0],
                    is_first=index == len(matches) - 1,
                )
                for index, match in enumerate(matches)
            }
        )

    def distillation_loss(self, signals: LossInputs) -> Tensor:
        later, terms = None, []
        for index in reversed(range(len(signals.matches))):
            match = signals.matches[index]
            student, teacher = signals.student_features[match.student], signals.teacher_features[match.teacher]
            fused, later = signals.adapters[f"student {index}"](student, later, teacher.shape[2:])
            terms.append(review(fused, teacher))
        return sum_tensors(terms)

    def parts(self, signals: LossInputs) -> list[LossPart]:
        weight = self.weight * signals.warm_up_factor(self.warm_up)
        return [*self.common_parts(signals), LossPart(self.part_name, weight, self.distillation_loss(signals))]
