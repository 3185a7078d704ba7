"""Self-taught: the student is trained alone, and then teaches a new one of its own kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kd_core.config.comparison import Comparison
from kd_core.config.plan import TEACHER, Learner, Phase
from kd_core.config.run import RunConfig
from kd_core.schemes import Scheme, control, student, together


@dataclass(frozen=True)
class SelfTaught(Scheme):
    title: ClassVar[str] = "Self-taught (Tf-KD)"
    idea: ClassVar[str] = (
        "No larger network: the student is trained alone, frozen, and teaches a new one of its own kind."
    )
    family: ClassVar[str] = "self"
    paper: ClassVar[str] = "Yuan et al. 2020, section 4 (Tf-KD self)"
    compares: ClassVar[Comparison] = Comparison(name="taught by its like")

    def phases(self, config: RunConfig) -> tuple[Phase, ...]:
        # Other initial weights than the student's: with the same ones, the baseline would be its own teacher.
        alone = Learner(TEACHER, config.student, config.seed + 1000)
        return together(config, "teacher", alone), together(
            config, "students", student(config, TEACHER), *control(config)
        )
