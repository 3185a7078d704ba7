"""Reversed distillation (Re-KD) from the small network to the large one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kd_core.config.comparison import Comparison
from kd_core.config.plan import TEACHER, PhasePlan
from kd_core.config.run import RunConfig
from kd_core.schemes import Scheme, control_learners, student_learner, student_phase, teacher_phase


@dataclass(frozen=True)
class Reversed(Scheme):
    title: ClassVar[str] = "Reversed (Re-KD)"
    aliases: ClassVar[tuple[str, ...]] = ("Re-KD",)
    summary: ClassVar[str] = "The small network is trained first and teaches the large one."
    family: ClassVar[str] = "offline"
    paper: ClassVar[str] = "Yuan et al. 2020, section 2"
    comparison: ClassVar[Comparison] = Comparison(name="taught by the small one", control_name="Large network alone")

    def phases(self, config: RunConfig) -> tuple[PhasePlan, ...]:
        return (
            teacher_phase(config, model=config.student),
            student_phase(
                config, "students", student_learner(config, TEACHER, model=config.teacher),
                *control_learners(config, model=config.teacher),
            ),
        )  # fmt: skip
