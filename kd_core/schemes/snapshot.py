"""Snapshot distillation, training in cycles that are each taught by the end of the one before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kd_core.base.options import integer
from kd_core.config.comparison import Comparison
from kd_core.config.plan import BASELINE, STUDENT, PhasePlan
from kd_core.config.recipe import COSINE
from kd_core.config.run import RunConfig
from kd_core.schemes import Scheme, control_learners, student_learner, student_phase


@dataclass(frozen=True)
class Snapshot(Scheme):
    title: ClassVar[str] = "Snapshot distillation"
    summary: ClassVar[str] = (
        "Training in cycles of a falling learning rate; the network at the end of a cycle teaches the next."
    )
    family: ClassVar[str] = "self"
    paper: ClassVar[str] = "Yang et al. 2019, section 3"
    comparison: ClassVar[Comparison] = Comparison(name="taught by its snapshots")

    cycles: int = integer(3, 2, 8, "Cycles that the epochs are divided into.")

    def option_conflict(self, config: RunConfig) -> str:
        if config.recipe.epochs >= self.cycles:
            return ""
        return (
            f"cycles = {self.cycles}: {config.recipe.epochs} epochs cannot be divided into them; choose fewer cycles."
        )

    def phases(self, config: RunConfig) -> tuple[PhasePlan, ...]:
        epochs = max(1, config.recipe.epochs // self.cycles)
        recipe = config.recipe.with_values(epochs=epochs, schedule=COSINE)
        phases, previous = [], ("", "")
        for number in range(1, self.cycles + 1):
            is_last = number == self.cycles
            roles = (STUDENT, BASELINE) if is_last else (f"cycle {number}", f"baseline {number}")
            teachers = (previous[0],) if previous[0] else ()
            student = student_learner(config, *teachers, role=roles[0], kind=STUDENT, begins_with=previous[0])
            control = control_learners(config, role=roles[1], kind=BASELINE, begins_with=previous[1])
            name = f"cycle {number}"
            phases.append(
                student_phase(config, name, student, *control, recipe=recipe, order_seed=config.seed + number - 1)
            )
            previous = roles
        return tuple(phases)
