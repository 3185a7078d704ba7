"""Mean teacher, an exponential moving average of the student that teaches it at every step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from kd_core.base.options import integer, number
from kd_core.config.comparison import Comparison
from kd_core.config.plan import ALL, LABELLED, STUDENT, TEACHER, LearnerPlan, PhasePlan
from kd_core.config.run import RunConfig
from kd_core.datasets import Data, load
from kd_core.schemes import Scheme, control_learners, student_learner, student_phase


@dataclass(frozen=True)
class MeanTeacher(Scheme):
    title: ClassVar[str] = "Mean teacher (EMA)"
    aliases: ClassVar[tuple[str, ...]] = ("EMA teacher", "self-ensembling")
    summary: ClassVar[str] = (
        "No larger network: the teacher is the moving average of the student's own weights, on labelled and on "
        "unlabelled examples."
    )
    family: ClassVar[str] = "self"
    paper: ClassVar[str] = "Tarvainen & Valpola 2017, section 2"
    comparison: ClassVar[Comparison] = Comparison(name="taught by its average", control_name="Same student alone")

    decay: float = number(
        0.95, 0.0, 0.9999,
        "Fraction of the average that a step keeps; early steps keep less. In the paper 0.99 to 0.999, over far more "
        "steps.",
        step=0.01, label="Decay of the average",
    )  # fmt: skip
    ramp_up: int = integer(
        5, 0, 10_000, "Epochs over which the weight of the teacher rises, since an early average knows nothing.",
        label="Ramp-up of the teacher",
    )  # fmt: skip
    noise: float = number(
        0.7, 0.0, 2.0,
        "Standard deviation of noise on the inputs of student and baseline; those of the teacher have none.", step=0.1,
        label="Noise for the student",
    )  # fmt: skip

    @classmethod
    def recommended_settings(cls, data: Data) -> Mapping[str, str]:
        if not data.train.inputs.is_floating_point():
            return {"noise": "0"}
        return {"labelled": "50", "temperature": "1", "alpha": "0.5"}

    def option_conflict(self, config: RunConfig) -> str:
        data = load(config.dataset)
        if not self.noise or data.train.inputs.is_floating_point():
            return ""
        return f"noise = {self.noise:g}: it is added to numbers, and these are {data.noun}. Choose 0."

    def phases(self, config: RunConfig) -> tuple[PhasePlan, ...]:
        data = load(config.dataset)
        has_rest = config.labels.count(data) < replace(config.view, with_rest=True).count(data)
        student = student_learner(config, TEACHER, noise=self.noise, ramp_up=self.ramp_up)
        average = LearnerPlan(TEACHER, config.student, config.seed, average_of=STUDENT, decay=self.decay)
        control = control_learners(config, noise=self.noise, sees=LABELLED if has_rest else ALL)
        view = replace(config.view, with_rest=has_rest)
        return (student_phase(config, "students", student, average, *control, view=view),)
