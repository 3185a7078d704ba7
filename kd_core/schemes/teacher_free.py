"""Teacher-free distillation, a comparison of label smoothing, a virtual and a real teacher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kd_core.config.comparison import Comparison
from kd_core.config.plan import STUDENT, TEACHER, PhasePlan
from kd_core.config.run import RunConfig
from kd_core.methods.label_smoothing import LabelSmoothing
from kd_core.methods.virtual_teacher import VirtualTeacher
from kd_core.schemes import Scheme, control_learners, student_learner, student_phase, teacher_phase


@dataclass(frozen=True)
class TeacherFree(Scheme):
    title: ClassVar[str] = "Teacher-free"
    aliases: ClassVar[tuple[str, ...]] = ("Tf-KD reg",)
    summary: ClassVar[str] = "The same student three times: with label smoothing, a virtual teacher and a real one."
    family: ClassVar[str] = "teacher-free"
    paper: ClassVar[str] = "Yuan et al. 2020, section 4"
    comparison: ClassVar[Comparison] = Comparison(role="virtual", name="virtual teacher")

    def phases(self, config: RunConfig) -> tuple[PhasePlan, ...]:
        student = student_learner(config, TEACHER)
        virtual = student_learner(config, TEACHER, role="virtual", method=VirtualTeacher(), kind=STUDENT, is_fixed=True)
        smoothed = student_learner(
            config, TEACHER, role="smoothed", method=LabelSmoothing(), kind=STUDENT, is_fixed=True
        )
        return teacher_phase(config), student_phase(
            config, "students", student, virtual, smoothed, *control_learners(config)
        )
