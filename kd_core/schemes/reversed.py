"""Reversed: the small network is trained first and teaches the large one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kd_core.config.comparison import Comparison
from kd_core.config.plan import TEACHER, Phase
from kd_core.config.run import RunConfig
from kd_core.schemes import Scheme, control, student, teacher_phase, together


@dataclass(frozen=True)
class Reversed(Scheme):
    title: ClassVar[str] = "Reversed (Re-KD)"
    idea: ClassVar[str] = (
        "The small network is trained first and teaches the large one, which could know more than its teacher."
    )
    family: ClassVar[str] = "offline"
    paper: ClassVar[str] = "Yuan et al. 2020, section 2"
    compares: ClassVar[Comparison] = Comparison(name="taught by the small one", control_name="Large network alone")

    def phases(self, config: RunConfig) -> tuple[Phase, ...]:
        return (
            teacher_phase(config, model=config.student),
            together(
                config, "students", student(config, TEACHER, model=config.teacher),
                *control(config, model=config.teacher),
            ),
        )  # fmt: skip
