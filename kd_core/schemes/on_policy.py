"""On-policy distillation, in which the teacher judges what the student writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from kd_core.base.options import integer, number
from kd_core.config.plan import STUDENT, TEACHER, PhasePlan
from kd_core.config.run import RunConfig
from kd_core.datasets import Data, load
from kd_core.methods.soft_targets import SoftTargets
from kd_core.schemes import Scheme, control_learners, student_learner, student_phase, teacher_phase
from kd_core.schemes._written import WrittenBatches


@dataclass(frozen=True)
class OnPolicy(Scheme):
    title: ClassVar[str] = "On-policy"
    aliases: ClassVar[tuple[str, ...]] = ("GKD", "OPD")
    summary: ClassVar[str] = "The student writes, and the teacher says at every character what it would have written."
    family: ClassVar[str] = "offline"
    paper: ClassVar[str] = "Agarwal et al. 2024 (GKD), section 3"
    writes_examples: ClassVar[bool] = True

    on_policy: float = number(
        1.0, 0.0, 1.0, "Fraction λ of the batches that the student writes; the others are from the training text.",
        step=0.05, label="On-policy fraction λ",
    )  # fmt: skip
    warm_up_epochs: int = integer(
        1, 0, 1000, "First epochs, in which the student learns the teacher's distribution on the training text by "
        "forward KL, since what an untrained student writes teaches nothing.",
        label="Epochs of warm-up",
    )  # fmt: skip
    reuse: int = integer(
        4, 1, 64, "Steps for which the student writes at once, since writing takes longer than learning."
    )

    @classmethod
    def recommended_settings(cls, data: Data) -> Mapping[str, str]:  # noqa: ARG003
        return {"method": "divergence", "divergence": "reverse"}

    def option_conflict(self, config: RunConfig) -> str:
        if self.warm_up_epochs >= config.recipe.epochs:
            return (
                f"warm_up_epochs = {self.warm_up_epochs}: with epochs = {config.recipe.epochs} none is left in which "
                "the student writes. Choose fewer, or more epochs."
            )
        return ""

    def phases(self, config: RunConfig) -> tuple[PhasePlan, ...]:
        data = load(config.dataset)
        maker = WrittenBatches(STUDENT, data.task, len(data.classes), fraction=self.on_policy, reuse=self.reuse)
        student, controls = student_learner(config, TEACHER, maker=maker), control_learners(config)
        phases, epochs = [teacher_phase(config)], config.recipe.epochs - self.warm_up_epochs
        if self.warm_up_epochs:
            first = student_learner(config, TEACHER, method=SoftTargets(temperature=1.0, alpha=1.0), is_fixed=True)
            recipe = config.recipe.with_values(epochs=self.warm_up_epochs)
            phases.append(student_phase(config, "warm-up", first, *controls, recipe=recipe))
            student = replace(student, begins_with=student.role)
            controls = tuple(replace(one, begins_with=one.role) for one in controls)
        recipe = config.recipe.with_values(epochs=epochs)
        phases.append(student_phase(config, "students", student, *controls, recipe=recipe))
        return tuple(phases)
