"""Merge: two teachers that know different classes make one student that knows all of them, without labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from kd_core.base.options import switch
from kd_core.config.comparison import Comparison
from kd_core.config.plan import BASELINE, JOINED, RAW, TEACHER, Derived, Learner, Phase
from kd_core.config.run import RunConfig
from kd_core.datasets import Data, load
from kd_core.schemes import Scheme, student, teacher_phase, together


@dataclass(frozen=True)
class Merge(Scheme):
    title: ClassVar[str] = "Merge two teachers"
    idea: ClassVar[str] = (
        "One teacher knows the first half of the classes, one the second; the student learns all, without a label."
    )
    family: ClassVar[str] = "several teachers"
    paper: ClassVar[str] = "Shen et al. 2019 (amalgamation), section 3; calibration: Guo et al. 2017, section 4.2"
    compares: ClassVar[Comparison] = Comparison(name="merged without labels", control_name="Baseline with the labels")

    calibrated: bool = switch(
        True,
        "Bring both teachers to one scale first, so that the louder one does not win: how loud each is, is measured on "
        "the validation split and its labels.",
    )  # fmt: skip

    @classmethod
    def suggests(cls, data: Data) -> Mapping[str, str]:  # noqa: ARG003
        return {"labelled": "0"}

    def objection(self, config: RunConfig) -> str:
        if config.teacher_recipe.view == "student":
            return (
                "teacher_view = student: the student has no labels here, so the teachers need their own; choose full."
            )
        classes = len(load(config.dataset).classes)
        return (
            ""
            if classes > 3
            else f"scheme = merge: it takes two classes for each teacher, and these data have {classes}."
        )

    def phases(self, config: RunConfig) -> tuple[Phase, ...]:
        classes = tuple(range(len(load(config.dataset).classes)))
        halves = classes[: (len(classes) + 1) // 2], classes[(len(classes) + 1) // 2 :]
        phases = []
        for number, half in enumerate(halves, start=1):
            usual = teacher_phase(config, role=f"teacher {number}", classes=half)
            phases.append(replace(usual, view=replace(usual.view, classes=half)))
        roles = tuple(phase.learners[0].role for phase in phases)
        phases[-1] = replace(
            phases[-1], derived=(Derived(TEACHER, roles, JOINED if self.calibrated else RAW, kind=TEACHER),)
        )
        merged = student(config, TEACHER)
        phases.append(together(config, "students", merged, view=replace(config.view, is_blind=True)))
        if config.basics.control:
            alone = Learner(BASELINE, config.student, config.seed)
            phases.append(together(config, "baseline", alone))
        return tuple(phases)
