"""Deep mutual learning: no teacher; several students learn from the labels and from each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from kd_core.config import RunConfig
from kd_core.datasets import Data
from kd_core.options import choice, whole
from kd_core.plan import AVERAGE, LOSSES, STUDENT, Derived, Learner, Phase
from kd_core.schemes import Scheme, control, together
from kd_core.verdict import Comparison

SAME, MIXED = "all like the student", "student and teacher in turn"


@dataclass(frozen=True)
class Mutual(Scheme):
    title: ClassVar[str] = "Mutual learning"
    idea: ClassVar[str] = "No teacher: students that learn side by side teach each other."
    family: ClassVar[str] = "online"
    paper: ClassVar[str] = "Zhang et al. 2018, section 2"
    compares: ClassVar[Comparison] = Comparison(name="learned with peers")

    peers: int = whole(2, 2, 6, "Networks that learn together, the student among them.", label="Networks together")
    networks: str = choice(SAME, (SAME, MIXED), "What the others are: the student's family, or the teacher's, too.")

    @classmethod
    def suggests(cls, data: Data) -> Mapping[str, str]:  # noqa: ARG003
        return {"temperature": "1", "alpha": "0.5"}  # the paper's

    def phases(self, config: RunConfig) -> tuple[Phase, ...]:
        roles = [STUDENT, *(f"peer {number}" for number in range(2, self.peers + 1))]
        learners = [
            Learner(
                role,
                config.teacher if self.networks == MIXED and number % 2 else config.student,
                config.seed + 1000 * number,  # a network of its own
                config.method,
                tuple(other for other in roles if other != role),
                LOSSES,  # the mean over the peers of what each of them asks (equation 7)
                kind=STUDENT,
            )
            for number, role in enumerate(roles)
        ]
        everyone = Derived("average", tuple(roles), AVERAGE)
        return (together(config, "students", *learners, *control(config), derived=(everyone,)),)
