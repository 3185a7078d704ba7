"""Born-again networks (BAN), generations that are each taught by the one before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kd_core.base.options import integer
from kd_core.config.comparison import Comparison
from kd_core.config.plan import AVERAGE, STUDENT, TEACHER, DerivedPlan, LearnerPlan, PhasePlan
from kd_core.config.run import RunConfig
from kd_core.schemes import Scheme, control_learners, student_learner, student_phase


@dataclass(frozen=True)
class BornAgain(Scheme):
    title: ClassVar[str] = "Born again"
    aliases: ClassVar[tuple[str, ...]] = ("BAN",)
    summary: ClassVar[str] = (
        "The same network is trained several times, each time taught by the last one; their average is the ensemble."
    )
    family: ClassVar[str] = "self"
    paper: ClassVar[str] = "Furlanello et al. 2018, section 3"
    comparison: ClassVar[Comparison] = Comparison(name="last generation", control_name="First generation")

    generations: int = integer(3, 2, 6, "Networks trained in a row; the first one has no teacher.")

    def phases(self, config: RunConfig) -> tuple[PhasePlan, ...]:
        phases = [
            student_phase(
                config,
                "generation 1",
                *control_learners(config) or (LearnerPlan("generation 1", config.student, config.seed),),
            )
        ]
        roles = [phases[0].learners[0].role]
        for number in range(2, self.generations + 1):
            role = STUDENT if number == self.generations else f"generation {number}"
            learner = student_learner(
                config, roles[-1], role=role, seed=config.seed + 1000 * (number - 1), kind=STUDENT
            )
            phases.append(student_phase(config, f"generation {number}", learner))
            roles.append(role)
        ensemble = DerivedPlan("ensemble", tuple(roles), AVERAGE, kind=TEACHER)
        phases[-1] = student_phase(config, phases[-1].name, *phases[-1].learners, derived=(ensemble,))
        return tuple(phases)
