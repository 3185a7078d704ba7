"""Sequence-level distillation, in which the student learns what the teacher writes like any other text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kd_core.base.options import number
from kd_core.config.plan import TEACHER, PhasePlan
from kd_core.config.run import RunConfig
from kd_core.datasets import load
from kd_core.schemes import Scheme, control_learners, student_learner, student_phase, teacher_phase
from kd_core.schemes._written import WrittenBatches


@dataclass(frozen=True)
class SequenceLevel(Scheme):
    title: ClassVar[str] = "Sequence level"
    aliases: ClassVar[tuple[str, ...]] = ("SeqKD",)
    summary: ClassVar[str] = "The teacher writes, and the student learns its text as if it were the training text."
    family: ClassVar[str] = "offline"
    paper: ClassVar[str] = "Kim & Rush 2016 (sequence-level knowledge distillation), section 3.2; here with samples"
    writes_examples: ClassVar[bool] = True

    writing_temperature: float = number(
        1.0, 0.1, 5.0, "Temperature at which the teacher writes; a low one repeats what is likely.", step=0.05,
        label="T while the teacher writes",
    )  # fmt: skip

    def phases(self, config: RunConfig) -> tuple[PhasePlan, ...]:
        data = load(config.dataset)
        maker = WrittenBatches(
            TEACHER, data.task, len(data.classes), is_labelled=True, temperature=self.writing_temperature
        )
        student = student_learner(config, TEACHER, method=None, maker=maker)
        return teacher_phase(config), student_phase(config, "students", student, *control_learners(config))
