"""Masked generation (MGD), the teacher's features predicted from a part of the student's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.base.options import number
from kd_core.base.seeds import generator
from kd_core.methods import FeatureMethod, LossInputs, Match, Pair, sum_tensors, weight_option
from kd_core.nn.hooks import Shape


def masked_generation(generated: Tensor, teacher_features: Tensor) -> Tensor:
    """Return the mean squared difference of generated features (B, C, H, W) and the teacher's, unitless.

    No gradient reaches the teacher's. Yang et al., "Masked Generative Distillation" (2022), equation 4, with the mean
    in place of the sum.
    """
    return F.mse_loss(generated, teacher_features.detach())


def place_mask(features: Tensor, masked: float, seed: int, *names: str | int) -> Tensor:
    """Return a mask (B, 1, H, W) of maps, 0 for a fraction ``masked`` of the places, drawn by seed."""
    batch, _, height, width = features.shape
    drawn = torch.rand(batch, 1, height, width, generator=generator(seed, *names))
    return (drawn >= masked).to(features)


@dataclass(frozen=True)
class MaskedGeneration(FeatureMethod):
    title: ClassVar[str] = "Masked generation (MGD)"
    aliases: ClassVar[tuple[str, ...]] = ("MGD",)
    summary: ClassVar[str] = (
        "Hide most places of the student's map and let an adapter restore the teacher's from the rest."
    )
    family: ClassVar[str] = "feature"
    paper: ClassVar[str] = "Yang et al. 2022, section 3"
    formula: ClassVar[str] = r"\lambda\,\mathrm{CE} + w\,\mathrm{MSE}(g(M \odot a(F_\text{student})), F_\text{teacher})"
    requires: ClassVar[str] = "one feature map of each network; the adapters a and g are learned"
    defaults_source: ClassVar[str] = (
        "65 % masked and two 3 × 3 convolutions with ReLU: the authors' code, whose weight 2e-5 belongs to a sum over "
        "all places and channels."
    )
    pitfall: ClassVar[str] = "The authors' loss is a sum: its weight depends on the size of the maps."
    part_name: ClassVar[str] = "generation"
    symbol: ClassVar[str] = r"\mathrm{MSE}(g(M \odot a(F_\text{student})), F_\text{teacher})"

    weight: float = weight_option(1.0, "the generated features")
    masked: float = number(0.65, 0.0, 0.95, "Fraction of the places that are hidden.", step=0.05, label="Masked places")

    def default_matches(self, pair: Pair) -> tuple[Match, ...]:
        return tuple(Match(*names) for names in pair.stage_pairs[-1:])

    def adapters(self, pair: Pair, labels: Tensor) -> nn.ModuleDict:
        """Build a 1 × 1 convolution to the teacher's channels, and the generator after the mask."""
        modules = super().adapters(pair, labels)
        for index, match in enumerate(self.matches(pair)):
            channels = pair.teacher_shapes[match.teacher][0]
            modules[f"generator {index}"] = nn.Sequential(
                nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1)
            )
        return modules

    def adapter(self, student: Shape, teacher: Shape) -> nn.Module | None:
        return None if student[0] == teacher[0] else nn.Conv2d(student[0], teacher[0], 1)

    def distillation_loss(self, signals: LossInputs) -> Tensor:
        terms = []
        for index, (student, teacher) in enumerate(self.matched_features(signals)):
            resized = F.interpolate(student, teacher.shape[2:], mode="area")
            visible = resized * place_mask(resized, self.masked, signals.seed, "mask", index)
            terms.append(masked_generation(signals.adapters[f"generator {index}"](visible), teacher))
        return sum_tensors(terms)
