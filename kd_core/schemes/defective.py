"""Defective teacher (De-KD), stopped early in its training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from kd_core.base.options import integer, number
from kd_core.config.comparison import Comparison
from kd_core.config.plan import TEACHER, PhasePlan
from kd_core.config.run import RunConfig
from kd_core.schemes import Scheme, control_learners, student_learner, student_phase, teacher_phase


@dataclass(frozen=True)
class Defective(Scheme):
    title: ClassVar[str] = "Defective teacher (De-KD)"
    aliases: ClassVar[tuple[str, ...]] = ("De-KD",)
    summary: ClassVar[str] = "The teacher is stopped at a low accuracy and teaches all the same."
    family: ClassVar[str] = "offline"
    paper: ClassVar[str] = "Yuan et al. 2020, section 2"
    comparison: ClassVar[Comparison] = Comparison(name="taught by a bad teacher")
    full_teacher: ClassVar[Mapping[str, str]] = {"accuracy": "1"}

    accuracy: float = number(
        0.5, 0.0, 1.0, "Validation accuracy at which the teacher is stopped; 0 for the epochs alone.", step=0.05,
        label="Stop the teacher at accuracy",
    )  # fmt: skip
    stop: int = integer(
        1, 1, 10_000, "Epochs after which it is stopped in any case.", label="Stop the teacher at epoch"
    )

    def phases(self, config: RunConfig) -> tuple[PhasePlan, ...]:
        phase = teacher_phase(config)
        epochs = min(self.stop, phase.recipe.epochs)
        teacher = replace(phase, recipe=phase.recipe.with_values(epochs=epochs), until=self.accuracy)
        return teacher, student_phase(config, "students", student_learner(config, TEACHER), *control_learners(config))
