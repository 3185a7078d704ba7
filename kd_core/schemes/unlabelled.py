"""Semi-supervised distillation on examples that the teacher labels (Noisy Student)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from kd_core.base.options import as_text, boolean, integer, number
from kd_core.config.comparison import Comparison
from kd_core.config.plan import LABELLED, STUDENT, SURE, TEACHER, PhasePlan
from kd_core.config.run import RunConfig
from kd_core.datasets import Data, load
from kd_core.schemes import Scheme, control_learners, student_learner, student_phase, teacher_phase
from kd_core.tasks import EXAMPLE


@dataclass(frozen=True)
class Unlabelled(Scheme):
    title: ClassVar[str] = "Few labels, many images"
    summary: ClassVar[str] = (
        "The student is trained on all examples, few of them labelled; the teacher's predictions label the others."
    )
    family: ClassVar[str] = "fewer labels"
    paper: ClassVar[str] = "Xie et al. 2020 (Noisy Student), section 2"
    comparison: ClassVar[Comparison] = Comparison(name="labels and teacher", control_name="Labels alone")

    confidence: float = number(
        0.0, 0.0, 0.99, "Probability that the teacher must give its top class for an unlabelled example to be used.",
        step=0.05, label="Least confidence of the teacher",
    )  # fmt: skip
    balanced: bool = boolean(
        False, "Use only the teacher's most confident examples of each class, equally many of each.",
        label="Balance the classes",
    )  # fmt: skip
    rounds: int = integer(1, 1, 4, "Rounds: the student of one round is the teacher of the next.")
    noise: float = number(
        0.0, 0.0, 2.0, "Standard deviation of noise on the student's inputs; the teacher's have none.", step=0.1,
        label="Noise for the student",
    )  # fmt: skip

    @classmethod
    def recommended_settings(cls, data: Data) -> Mapping[str, str]:
        return {"labelled": "30" if bool(data.has_label.all()) else "0"}

    def option_conflict(self, config: RunConfig) -> str:
        task = config.dataset.task
        if task.can_write:
            return (
                f"scheme = unlabelled: the labels of {task.example_noun} are the {task.row_noun} that follow, so that "
                "none is without labels. Choose another scheme."
            )
        if not task.has_class_per_example and (self.confidence or self.balanced):
            name, neutral = ("confidence", "0") if self.confidence else ("balanced", "off")
            rows = (
                f"{task.title.lower()} has none"
                if task.outputs == EXAMPLE
                else f"each of these {task.example_noun or 'examples'} has one for every one of its {task.row_noun}"
            )
            return (
                f"{name} = {as_text(getattr(self, name))}: it is asked of the class of an example, and {rows}. Choose "
                f"{neutral}."
            )
        data = load(config.dataset)
        if config.labels.count(data) < replace(config.view, with_rest=True).count(data):
            return ""
        return (
            "labelled = 0: every example has a label. Choose how many have one, for instance 30: the teacher labels "
            "the rest."
        )

    def phases(self, config: RunConfig) -> tuple[PhasePlan, ...]:
        view = replace(config.view, with_rest=True)
        phases, teacher = [teacher_phase(config)], TEACHER
        for index in range(1, self.rounds + 1):
            is_last = index == self.rounds
            role = STUDENT if is_last else f"round {index}"
            student = student_learner(
                config, teacher, role=role, kind=STUDENT, seed=config.seed + 1000 * (self.rounds - index), sees=SURE,
                confidence=self.confidence, is_balanced=self.balanced, noise=self.noise,
            )  # fmt: skip
            control = control_learners(config, sees=LABELLED, noise=self.noise) if is_last else ()
            phases.append(student_phase(config, "students" if is_last else role, student, *control, view=view))
            teacher = role
        return tuple(phases)
