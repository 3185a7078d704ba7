"""Ensemble: several teachers become one student, and that student teaches another of its own kind."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from kd_core.base.options import choice, switch, text, whole
from kd_core.config.comparison import Comparison
from kd_core.config.plan import (
    AVERAGE,
    LOGITS,
    LOSSES,
    MEAN_LOGITS,
    PROBABILITIES,
    STUDENT,
    TEACHER,
    Derived,
    Learner,
    Phase,
)
from kd_core.config.run import RunConfig
from kd_core.schemes import Scheme, control, student, teacher_phase, together


@dataclass(frozen=True)
class Ensemble(Scheme):
    title: ClassVar[str] = "Several teachers"
    idea: ClassVar[str] = (
        "Teachers that differ in their initial weights teach one student together; it then teaches its like."
    )
    family: ClassVar[str] = "several teachers"
    paper: ClassVar[str] = "Hinton, Vinyals & Dean 2015, section 3; You et al. 2017, section 3"
    compares: ClassVar[Comparison] = Comparison(name="taught by all")

    count: int = whole(3, 2, 8, "Teachers; each has its own initial weights and order.", label="Teachers")
    combine: str = choice(
        PROBABILITIES, (PROBABILITIES, LOGITS, LOSSES),
        "What is averaged: the teachers' probabilities, their logits (the loudest weighs most), or the losses "
        "with each.",
        label="Average the teachers’",
    )  # fmt: skip
    shares: str = text(
        "", 80, "Weights of the teachers, joined by dashes, as 2-1-1; empty: all alike.", label="Teachers’ weights"
    )
    again: bool = switch(
        True, "Afterwards the student teaches another one of its own kind.", label="Then self-distillation"
    )

    def objection(self, config: RunConfig) -> str:  # noqa: ARG002
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
        return tuple(float(share) for share in self.shares.split("-") if share.strip())

    def phases(self, config: RunConfig) -> tuple[Phase, ...]:
        roles = tuple(f"teacher {number}" for number in range(1, self.count + 1))
        phases = [
            teacher_phase(config, role=role, seed=config.teacher_recipe.seed + 1000 * number)
            for number, role in enumerate(roles)
        ]
        # The mean of the losses with each pulls where the loss with their average probability does.
        how = MEAN_LOGITS if self.combine == LOGITS else AVERAGE
        together_they = Derived(TEACHER, roles, how, self._weights(), TEACHER)
        phases[-1] = replace(phases[-1], derived=(together_they,))
        taught = student(config, *roles, combine=self.combine, weights=self._weights())
        phases.append(together(config, "students", taught, *control(config)))
        if self.again:
            again = Learner(
                "student’s student", config.student, config.seed + 1000, config.method, (STUDENT,), kind=STUDENT
            )
            phases.append(together(config, "self-distillation", again))
        return tuple(phases)
