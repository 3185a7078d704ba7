"""Several teachers for one student, which then teaches another student of its own kind."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from kd_core.base.options import boolean, choice, integer, text
from kd_core.config.comparison import Comparison
from kd_core.config.plan import (
    AVERAGE,
    LOGITS,
    LOSSES,
    MEAN_LOGITS,
    PROBABILITIES,
    STUDENT,
    TEACHER,
    DerivedPlan,
    LearnerPlan,
    PhasePlan,
)
from kd_core.config.run import RunConfig
from kd_core.schemes import Scheme, control_learners, student_learner, student_phase, teacher_phase


@dataclass(frozen=True)
class Ensemble(Scheme):
    title: ClassVar[str] = "Several teachers"
    summary: ClassVar[str] = "An ensemble of teachers distils into one student, which then teaches a copy of itself."
    family: ClassVar[str] = "several teachers"
    paper: ClassVar[str] = "Hinton, Vinyals & Dean 2015, section 3; You et al. 2017, section 3"
    comparison: ClassVar[Comparison] = Comparison(name="taught by all")

    count: int = integer(3, 2, 8, "Teachers; each has its own initial weights and order.", label="Teachers")
    combine: str = choice(
        PROBABILITIES, (PROBABILITIES, LOGITS, LOSSES),
        "What is averaged: the teachers' probabilities, their logits (the largest dominate), or the losses with "
        "each teacher.",
        label="Average the teachers’",
    )  # fmt: skip
    shares: str = text(
        "", 80, "Weights of the teachers, joined by dashes, as 2-1-1; empty: equal weights.", label="Teachers’ weights"
    )
    again: bool = boolean(
        True, "Afterwards the student teaches another network of the same kind.", label="Then self-distillation"
    )

    def option_conflict(self, config: RunConfig) -> str:  # noqa: ARG002
        try:
            weights = self._weights()
        except ValueError:
            weights = (-1.0,)
        if not weights or (len(weights) == self.count and min(weights) >= 0 and sum(weights) > 0):
            return ""
        return (
            f'shares = "{self.shares}": choose {self.count} numbers from 0 up, joined by dashes, not all 0, or nothing.'
        )

    def _weights(self) -> tuple[float, ...]:
        return tuple(float(weight) for weight in self.shares.split("-") if weight.strip())

    def phases(self, config: RunConfig) -> tuple[PhasePlan, ...]:
        roles = tuple(f"teacher {number}" for number in range(1, self.count + 1))
        phases = [
            teacher_phase(config, role=role, seed=config.teacher_recipe.seed + 1000 * number)
            for number, role in enumerate(roles)
        ]
        # The mean of the losses has the same gradient as the loss with the average of the probabilities.
        rule = MEAN_LOGITS if self.combine == LOGITS else AVERAGE
        ensemble = DerivedPlan(TEACHER, roles, rule, self._weights(), TEACHER)
        phases[-1] = replace(phases[-1], derived=(ensemble,))
        student = student_learner(config, *roles, combine=self.combine, weights=self._weights())
        phases.append(student_phase(config, "students", student, *control_learners(config)))
        if self.again:
            copy = LearnerPlan(
                "student’s student", config.student, config.seed + 1000, config.method, (STUDENT,), kind=STUDENT
            )
            phases.append(student_phase(config, "self-distillation", copy))
        return tuple(phases)
