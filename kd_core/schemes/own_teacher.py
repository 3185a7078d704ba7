"""Be Your Own Teacher (BYOT), in which the deepest exit of a network teaches the early ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from kd_core.config.comparison import Comparison
from kd_core.config.plan import BASELINE, STUDENT, LearnerPlan, PhasePlan
from kd_core.config.run import RunConfig
from kd_core.datasets import Data
from kd_core.models import with_article
from kd_core.nn.hooks import EMBEDDING
from kd_core.schemes import Scheme, student_phase
from kd_core.schemes._early_exit import EarlyExit


@dataclass(frozen=True)
class OwnTeacher(Scheme):
    title: ClassVar[str] = "Be your own teacher"
    aliases: ClassVar[tuple[str, ...]] = ("BYOT",)
    summary: ClassVar[str] = "One network with early exits, all trained at once: the deepest exit teaches the others."
    family: ClassVar[str] = "self"
    paper: ClassVar[str] = "Zhang et al. 2019, section 3"
    comparison: ClassVar[Comparison] = Comparison(name="deepest exit", control_name="Same network without exits")

    @classmethod
    def recommended_settings(cls, data: Data) -> Mapping[str, str]:
        return {
            "student": "cnn" if len(data.shape) == 3 else "mlp",
            "student_depth": "3",
            "student_widths": "32-32-32",
            "alpha": "0.1",
            "temperature": "3",
        }

    def option_conflict(self, config: RunConfig) -> str:
        if self._exits(config):
            return ""
        return (
            f"student = {config.student.name}: {with_article(config.student.label())} has no layers for an early exit; "
            f"choose a deeper one."
        )

    def phases(self, config: RunConfig) -> tuple[PhasePlan, ...]:
        deepest = LearnerPlan(STUDENT, config.student, config.seed, kind=STUDENT)
        exits = [
            LearnerPlan(
                f"exit {number}",
                EarlyExit(),
                config.seed,
                config.method,
                (STUDENT,),
                kind=STUDENT,
                trunk=(STUDENT, layer),
            )
            for number, layer in enumerate(self._exits(config), start=1)
        ]
        control = (LearnerPlan(BASELINE, config.student, config.seed),) if config.basics.control else ()
        return (student_phase(config, "students", deepest, *exits, *control),)

    def _exits(self, config: RunConfig) -> list[str]:
        """Return every stage but the last, which the deepest exit belongs to."""
        layers = [layer for layer in config.student.cuttable_layers() if layer != EMBEDDING]
        return layers[:-1] if any(layer.startswith("stage") for layer in layers) else layers
