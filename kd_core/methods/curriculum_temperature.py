"""Curriculum temperature (CTKD), learned against the student."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from kd_core.base.options import integer, number
from kd_core.methods import LossInputs, LossPart, Pair, WeightedMethod, label_weight_option, weight_option
from kd_core.methods.soft_targets import soft_targets


def curriculum_temperature(
    student_logits: Tensor, teacher_logits: Tensor, temperature: Tensor, strength: float = 1.0
) -> Tensor:
    """Return T² · KL(teacher ‖ student) in nats, mean over the batch, with a reversed gradient for the temperature.

    ``temperature`` is a tensor of one number. The value and the gradient of the student's logits (B, K) are those of
    soft targets. The temperature gets its gradient times −``strength``: a step that makes the loss smaller for the
    student makes it larger by the temperature. Li et al., "Curriculum Temperature for Knowledge Distillation" (2023),
    section 3.2.
    """
    fixed = temperature.detach()
    return soft_targets(student_logits, teacher_logits, fixed - strength * (temperature - fixed))


class LearnedTemperature(nn.Module):
    """Learned temperature low + range · sigmoid(θ), with θ = 1 at the start."""

    def __init__(self, low: float, range: float) -> None:
        super().__init__()
        self.low, self.range = low, range
        self.theta = nn.Parameter(torch.ones(()))

    def forward(self) -> Tensor:
        return self.low + self.range * self.theta.sigmoid()


@dataclass(frozen=True)
class CurriculumTemperature(WeightedMethod):
    title: ClassVar[str] = "Curriculum temperature (CTKD)"
    aliases: ClassVar[tuple[str, ...]] = ("CTKD",)
    summary: ClassVar[str] = (
        "Learn the temperature against the student: it moves to the T at which the loss is largest."
    )
    family: ClassVar[str] = "response"
    paper: ClassVar[str] = "Li et al. 2023, section 3.2 (global temperature)"
    formula: ClassVar[str] = (
        r"\min_\text{student} \max_\theta \; \lambda\,\mathrm{CE} + w\,T_\theta^2\,\mathrm{KL}(\text{teacher} "
        r"\parallel \text{student})"
    )
    requires: ClassVar[str] = "logits of both"
    defaults_source: ClassVar[str] = (
        "The authors' code: T from 1 to 21, 15.6 at the start, 10 epochs of warm-up, weights 0.1 and 0.9."
    )
    pitfall: ClassVar[str] = "Without the reversed gradient the temperature just makes the loss small."
    part_name: ClassVar[str] = "T²·KL(T learned)"

    label_weight: float = label_weight_option(0.1)
    weight: float = weight_option(0.9, "the soft targets at the learned T")
    low: float = number(1.0, 0.5, 10.0, "The lowest temperature that can be learned.", step=0.5, label="Lowest T")
    range: float = number(20.0, 0.5, 50.0, "The highest one, less the lowest.", step=0.5, label="Range of T")
    warm_up: int = integer(
        10, 0, 1000, "Epochs over which the gradient of T grows to full strength; Adam compensates for most of it.",
    )  # fmt: skip

    def latex_term(self) -> str:
        return r"T_\theta^2 \cdot \mathrm{KL}_{T=T_\theta}"

    def adapters(self, pair: Pair, labels: Tensor) -> nn.ModuleDict:  # noqa: ARG002
        return nn.ModuleDict({"temperature": LearnedTemperature(self.low, self.range)})

    def parts(self, signals: LossInputs) -> list[LossPart]:
        temperature = signals.adapters["temperature"]()
        strength = (1 - math.cos(math.pi * signals.warm_up_factor(self.warm_up))) / 2
        soft = curriculum_temperature(signals.student_logits, signals.teacher_logits, temperature, strength)
        return [
            *self.common_parts(signals),
            LossPart(self.part_name, self.weight, soft),
            LossPart("T", 0.0, temperature),
        ]
