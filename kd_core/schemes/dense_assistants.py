"""Densely guided assistants, in which every larger network teaches every smaller one (DGKD)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kd_core.base.options import integer, number
from kd_core.config.comparison import Comparison
from kd_core.config.plan import LOSSES, TEACHER, LearnerPlan, PhasePlan
from kd_core.config.run import RunConfig
from kd_core.schemes import Scheme, control_learners, student_learner, student_phase, teacher_phase
from kd_core.schemes._assistant_sizes import assistant_model


@dataclass(frozen=True)
class DenseAssistants(Scheme):
    title: ClassVar[str] = "Densely guided assistants (DGKD)"
    aliases: ClassVar[tuple[str, ...]] = ("DGKD",)
    summary: ClassVar[str] = (
        "Networks of intermediate sizes; each learns from the teacher and from every assistant larger than itself."
    )
    family: ClassVar[str] = "several teachers"
    paper: ClassVar[str] = "Son et al. 2021, section 3"
    comparison: ClassVar[Comparison] = Comparison(name="taught by all larger ones")

    dense_assistants: int = integer(2, 1, 4, "Networks between teacher and student.", label="Teaching assistants")
    drop: float = number(
        0.0, 0.0, 0.9, "Probability that a step leaves out a teacher; at least one stays.",
        step=0.05, label="Drop of teachers",
    )  # fmt: skip

    def phases(self, config: RunConfig) -> tuple[PhasePlan, ...]:
        phases = [teacher_phase(config)]
        teachers: tuple[str, ...] = (TEACHER,)
        for place in range(1, self.dense_assistants + 1):
            role = f"assistant {place}"
            model = assistant_model(config.pair, place / (self.dense_assistants + 1))
            assistant = LearnerPlan(
                role, model, config.seed, config.method, teachers, LOSSES, kind=TEACHER, drop=self.drop
            )
            phases.append(student_phase(config, role, assistant))
            teachers = (*teachers, role)
        student = student_learner(config, *teachers, combine=LOSSES, drop=self.drop)
        phases.append(student_phase(config, "students", student, *control_learners(config)))
        return tuple(phases)
