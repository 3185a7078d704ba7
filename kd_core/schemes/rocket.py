"""Rocket launching, in which student and booster share their first layers and train together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from kd_core.config.comparison import Comparison
from kd_core.config.plan import STUDENT, TEACHER, LearnerPlan, PhasePlan
from kd_core.config.run import RunConfig
from kd_core.datasets import Data
from kd_core.schemes import Scheme, control_learners, student_learner, student_phase

BOOSTER = "booster"


@dataclass(frozen=True)
class Rocket(Scheme):
    title: ClassVar[str] = "Rocket launching"
    summary: ClassVar[str] = (
        "Student and booster share their first layers and train at the same time; the student matches the booster's "
        "logits, never the reverse."
    )
    family: ClassVar[str] = "online"
    paper: ClassVar[str] = "Zhou et al. 2018, section 3"
    comparison: ClassVar[Comparison] = Comparison(name="launched")

    @classmethod
    def recommended_settings(cls, data: Data) -> Mapping[str, str]:
        return {"student": "cnn", "student_width": "8"} if len(data.shape) == 3 else {}

    def phases(self, config: RunConfig) -> tuple[PhasePlan, ...]:
        first = next(iter(config.student.cuttable_layers()), "")
        booster = LearnerPlan(BOOSTER, config.teacher, config.seed, kind=TEACHER, trunk=(STUDENT, first))
        return (
            student_phase(config, "students", student_learner(config, BOOSTER), booster, *control_learners(config)),
        )
