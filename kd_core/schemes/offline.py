"""Offline distillation from a trained and frozen teacher, optionally through assistants (TAKD)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from kd_core.base.options import integer
from kd_core.config.plan import TEACHER, LearnerPlan, PhasePlan
from kd_core.config.run import RunConfig
from kd_core.schemes import Scheme, control_learners, student_learner, student_phase, teacher_phase
from kd_core.schemes._assistant_sizes import assistant_model


@dataclass(frozen=True)
class Offline(Scheme):
    title: ClassVar[str] = "Offline"
    aliases: ClassVar[tuple[str, ...]] = ("KD", "TAKD")
    summary: ClassVar[str] = "A trained and frozen teacher teaches one student."
    family: ClassVar[str] = "offline"
    full_teacher: ClassVar[Mapping[str, str]] = {"teacher_stop": "0"}
    paper: ClassVar[str] = "Hinton, Vinyals & Dean 2015, section 2; assistants: Mirzadeh et al. 2020, section 3"

    teacher_stop: int = integer(
        0, 0, 10_000, "Stop the teacher after this many epochs, since an early one can teach better; 0 never does.",
        label="Stop the teacher at epoch",
    )  # fmt: skip
    assistants: int = integer(
        0, 0, 3, "Networks of intermediate sizes, each taught by the one before: teacher, assistants, student (TAKD).",
        label="Teaching assistants",
    )  # fmt: skip
    fine_tune: int = integer(
        0, 0, 1000, "Epochs on the labels alone after distillation; the baseline gets them, too.",
        label="Epochs of fine-tuning afterwards",
    )  # fmt: skip

    def phases(self, config: RunConfig) -> tuple[PhasePlan, ...]:
        first = teacher_phase(config)
        if self.teacher_stop:
            epochs = min(self.teacher_stop, first.recipe.epochs)
            first = replace(first, recipe=first.recipe.with_values(epochs=epochs))
        phases, teacher = [first], TEACHER
        for number in range(1, self.assistants + 1):
            model, role = assistant_model(config.pair, number / (self.assistants + 1)), f"assistant {number}"
            assistant = LearnerPlan(role, model, config.seed, config.method, (teacher,), kind=TEACHER)
            phases.append(student_phase(config, role, assistant))
            teacher = role
        learners = (student_learner(config, teacher), *control_learners(config))
        phases.append(student_phase(config, "students", *learners))
        if self.fine_tune:
            tuned = [replace(learner, method=None, teachers=(), begins_with=learner.role) for learner in learners]
            recipe = config.recipe.with_values(epochs=self.fine_tune)
            phases.append(student_phase(config, "fine-tuning", *tuned, recipe=recipe))
        return tuple(phases)
