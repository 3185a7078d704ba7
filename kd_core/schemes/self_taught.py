"""Self-distillation (Tf-KD) from a student trained alone to a new one of the same kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kd_core.config.comparison import Comparison
from kd_core.config.plan import TEACHER, LearnerPlan, PhasePlan
from kd_core.config.run import RunConfig
from kd_core.schemes import Scheme, control_learners, student_learner, student_phase


@dataclass(frozen=True)
class SelfTaught(Scheme):
    title: ClassVar[str] = "Self-taught (Tf-KD)"
    aliases: ClassVar[tuple[str, ...]] = ("Tf-KD",)
    summary: ClassVar[str] = (
        "No larger network: the student is trained alone, frozen, and teaches a new network of the same kind."
    )
    family: ClassVar[str] = "self"
    paper: ClassVar[str] = "Yuan et al. 2020, section 4 (Tf-KD self)"
    comparison: ClassVar[Comparison] = Comparison(name="taught by its like")

    def phases(self, config: RunConfig) -> tuple[PhasePlan, ...]:
        # Other initial weights than the student's, since with the same ones the baseline would be the teacher.
        teacher = LearnerPlan(TEACHER, config.student, config.seed + 1000)
        return student_phase(config, "teacher", teacher), student_phase(
            config, "students", student_learner(config, TEACHER), *control_learners(config)
        )
