"""The classic arrangement: train the teacher, freeze it, let the student learn from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kd_core.config import RunConfig
from kd_core.schemes import BASELINE, STUDENT, TEACHER, Learner, Phase, Scheme, teacher_phase


@dataclass(frozen=True)
class Offline(Scheme):
    title: ClassVar[str] = "Offline"
    idea: ClassVar[str] = "A trained, frozen teacher teaches one student."
    family: ClassVar[str] = "offline"

    def phases(self, config: RunConfig) -> tuple[Phase, ...]:
        student = Learner(STUDENT, config.student, config.seed, config.method, TEACHER)
        # The control differs in nothing but the loss: same seed, so same weights at the start and same batches.
        control = (Learner(BASELINE, config.student, config.seed),) if config.basics.control else ()
        return (
            teacher_phase(config),
            Phase("students", (student, *control), config.recipe, config.labels, config.seed, config.seed),
        )
