"""Deep mutual learning (DML) of several students without a teacher."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from kd_core.base.options import integer, text
from kd_core.base.registry import make, plugins
from kd_core.config.comparison import Comparison
from kd_core.config.plan import AVERAGE, LOSSES, STUDENT, TEACHER, DerivedPlan, LearnerPlan, PhasePlan
from kd_core.config.run import RunConfig
from kd_core.datasets import Data
from kd_core.models import Model
from kd_core.schemes import Scheme, control_learners, student_phase


@dataclass(frozen=True)
class Mutual(Scheme):
    title: ClassVar[str] = "Mutual learning"
    aliases: ClassVar[tuple[str, ...]] = ("DML",)
    summary: ClassVar[str] = "No teacher: students that train side by side teach each other."
    family: ClassVar[str] = "online"
    paper: ClassVar[str] = "Zhang et al. 2018, section 2"
    comparison: ClassVar[Comparison] = Comparison(name="learned with peers")

    peers: int = integer(2, 2, 6, "Networks that train together, including the student.", label="Networks together")
    networks: str = text(
        STUDENT, 80,
        "The other networks, joined by dashes: student or teacher as chosen above, or a family with its default "
        "options, as teacher-cnn.",
        label="The others are",
    )  # fmt: skip

    @classmethod
    def recommended_settings(cls, data: Data) -> Mapping[str, str]:  # noqa: ARG003
        return {"temperature": "1", "alpha": "0.5"}  # the paper's

    def option_conflict(self, config: RunConfig) -> str:
        try:
            self._others(config)
        except ValueError:
            families = ", ".join(plugins("models"))
            return f'networks = "{self.networks}": join names by dashes, each of them student, teacher, {families}.'
        return ""

    def _others(self, config: RunConfig) -> tuple[Model, ...]:
        """Return the student's peers; a list that is too short is repeated. Raises ValueError."""
        models = {STUDENT: config.student, TEACHER: config.teacher}
        listed = [models.get(name) or make("models", {"name": name}) for name in self.networks.split("-")]
        return tuple(listed[number % len(listed)] for number in range(self.peers - 1))

    def phases(self, config: RunConfig) -> tuple[PhasePlan, ...]:
        roles = [STUDENT, *(f"peer {number}" for number in range(2, self.peers + 1))]
        learners = [
            LearnerPlan(
                role,
                model,
                config.seed + 1000 * number,  # different initial weights
                config.method,
                tuple(other for other in roles if other != role),
                LOSSES,  # the mean of the losses with each peer (equation 7)
                kind=STUDENT,
            )
            for number, (role, model) in enumerate(zip(roles, (config.student, *self._others(config)), strict=True))
        ]
        average = DerivedPlan("average", tuple(roles), AVERAGE)
        return (student_phase(config, "students", *learners, *control_learners(config), derived=(average,)),)
