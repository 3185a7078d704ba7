"""Teacher-free: label smoothing and a virtual teacher beside a student with a real one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kd_core.config.comparison import Comparison
from kd_core.config.plan import STUDENT, TEACHER, Phase
from kd_core.config.run import RunConfig
from kd_core.methods.label_smoothing import LabelSmoothing
from kd_core.methods.virtual_teacher import VirtualTeacher
from kd_core.schemes import Scheme, control, student, teacher_phase, together


@dataclass(frozen=True)
class TeacherFree(Scheme):
    title: ClassVar[str] = "Teacher-free"
    idea: ClassVar[str] = "The same student three times, with smoothed labels, a made-up teacher and a real one."
    family: ClassVar[str] = "teacher-free"
    paper: ClassVar[str] = "Yuan et al. 2020, section 4"
    compares: ClassVar[Comparison] = Comparison(role="virtual", name="virtual teacher")

    def phases(self, config: RunConfig) -> tuple[Phase, ...]:
        taught = student(config, TEACHER)
        virtual = student(config, TEACHER, role="virtual", method=VirtualTeacher(), kind=STUDENT, is_fixed=True)
        smoothed = student(config, TEACHER, role="smoothed", method=LabelSmoothing(), kind=STUDENT, is_fixed=True)
        assert taught.role == STUDENT
        return teacher_phase(config), together(config, "students", taught, virtual, smoothed, *control(config))
