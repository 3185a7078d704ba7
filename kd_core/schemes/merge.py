"""Knowledge amalgamation of two teachers of different classes in one student without labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from kd_core.base.options import boolean
from kd_core.config.comparison import Comparison
from kd_core.config.plan import BASELINE, JOINED, RAW, TEACHER, DerivedPlan, LearnerPlan, PhasePlan
from kd_core.config.run import RunConfig
from kd_core.datasets import Data, load
from kd_core.schemes import Scheme, student_learner, student_phase, teacher_phase


@dataclass(frozen=True)
class Merge(Scheme):
    title: ClassVar[str] = "Merge two teachers"
    summary: ClassVar[str] = (
        "One teacher knows the first half of the classes, one the second; the student learns all without labels."
    )
    family: ClassVar[str] = "several teachers"
    reads_class_labels: ClassVar[bool] = True
    paper: ClassVar[str] = "Shen et al. 2019 (amalgamation), section 3; calibration: Guo et al. 2017, section 4.2"
    comparison: ClassVar[Comparison] = Comparison(name="merged without labels", control_name="Baseline with the labels")

    calibrated: bool = boolean(
        True,
        "Bring the logits of both teachers to one scale first (temperature and shift, from the labelled validation "
        "set), so that the larger ones do not win.",
    )  # fmt: skip

    @classmethod
    def recommended_settings(cls, data: Data) -> Mapping[str, str]:  # noqa: ARG003
        return {"labelled": "0"}

    def option_conflict(self, config: RunConfig) -> str:
        if config.teacher_recipe.view == "student":
            return "teacher_view = student: the student has no labels here, so the teachers need theirs; choose full."
        classes = len(load(config.dataset).classes)
        return "" if classes > 3 else f"scheme = merge: each teacher needs two classes, and these data have {classes}."

    def phases(self, config: RunConfig) -> tuple[PhasePlan, ...]:
        classes = tuple(range(len(load(config.dataset).classes)))
        halves = classes[: (len(classes) + 1) // 2], classes[(len(classes) + 1) // 2 :]
        phases = []
        for number, half in enumerate(halves, start=1):
            phase = teacher_phase(config, role=f"teacher {number}", classes=half)
            phases.append(replace(phase, view=replace(phase.view, classes=half)))
        roles = tuple(phase.learners[0].role for phase in phases)
        phases[-1] = replace(
            phases[-1], derived=(DerivedPlan(TEACHER, roles, JOINED if self.calibrated else RAW, kind=TEACHER),)
        )
        merged = student_learner(config, TEACHER)
        phases.append(student_phase(config, "students", merged, view=replace(config.view, is_blind=True)))
        if config.basics.control:
            control = LearnerPlan(BASELINE, config.student, config.seed)
            phases.append(student_phase(config, "baseline", control))
        return tuple(phases)
