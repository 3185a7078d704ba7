"""Self-attention distillation (SAD) from each stage of a network to the one before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from kd_core.config.comparison import Comparison
from kd_core.config.plan import STUDENT, PhasePlan
from kd_core.config.run import RunConfig
from kd_core.datasets import Data
from kd_core.schemes import Scheme, control_learners, student_learner, student_phase


@dataclass(frozen=True)
class SelfAttention(Scheme):
    title: ClassVar[str] = "Self-attention"
    aliases: ClassVar[tuple[str, ...]] = ("SAD",)
    summary: ClassVar[str] = "No teacher: each stage of the network learns from the next one."
    family: ClassVar[str] = "self"
    paper: ClassVar[str] = "Hou et al. 2019, section 3"
    comparison: ClassVar[Comparison] = Comparison(name="taught by its later stages")

    @classmethod
    def recommended_settings(cls, data: Data) -> Mapping[str, str]:
        return (
            {"student": "cnn", "student_width": "8", "student_depth": "3", "method": "attention"}
            if len(data.shape) == 3
            else {}
        )

    def phases(self, config: RunConfig) -> tuple[PhasePlan, ...]:
        return (student_phase(config, "students", student_learner(config, STUDENT), *control_learners(config)),)
