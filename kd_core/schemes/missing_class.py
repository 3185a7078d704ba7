"""Distillation of a held-out class through soft targets on the other classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from kd_core.config.comparison import Comparison
from kd_core.config.label_subset import NONE
from kd_core.config.plan import CORRECTED, TEACHER, DerivedPlan, PhasePlan, kind_of
from kd_core.config.run import RunConfig
from kd_core.datasets import Data, load
from kd_core.schemes import Scheme, control_learners, student_learner, student_phase, teacher_phase


@dataclass(frozen=True)
class MissingClass(Scheme):
    title: ClassVar[str] = "A missing class"
    summary: ClassVar[str] = (
        "One class is held out of the student's data; it learns it from the teacher's soft targets on other classes. "
        "Then the bias of that class is corrected on validation data."
    )
    family: ClassVar[str] = "fewer labels"
    reads_class_labels: ClassVar[bool] = True
    paper: ClassVar[str] = "Hinton, Vinyals & Dean 2015, section 3"
    comparison: ClassVar[Comparison] = Comparison(
        "corrected student",
        "corrected baseline",
        "omitted",
        "taught and corrected",
        "Baseline, corrected too",
        among="{omitted} in the test set, which neither was trained on",
    )

    @classmethod
    def recommended_settings(cls, data: Data) -> Mapping[str, str]:
        return {"omitted": data.classes[-2], "labelled": "0"} if data.task.has_class_per_example else {}

    def option_conflict(self, config: RunConfig) -> str:
        if config.labels.omitted != NONE and config.teacher_recipe.view == "student":
            return "teacher_view = student: then the teacher is not trained on the class either; choose full."
        if config.labels.omitted != NONE:
            return ""
        classes = ", ".join(load(config.dataset).classes)
        return f"omitted = none: choose the class that is held out: {classes}."

    def phases(self, config: RunConfig) -> tuple[PhasePlan, ...]:
        names = load(config.dataset).classes
        omitted = names.index(config.labels.omitted) if config.labels.omitted in names else 0
        learners = (student_learner(config, TEACHER), *control_learners(config))
        corrected = [
            DerivedPlan(f"corrected {learner.role}", (learner.role,), CORRECTED, kind=kind_of(learner), omitted=omitted)
            for learner in learners
        ]
        return teacher_phase(config), student_phase(config, "students", *learners, derived=tuple(corrected))
