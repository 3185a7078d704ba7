"""Label-free distillation of the features of a foundation model, judged by a linear probe on few labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from kd_core.base.options import boolean, integer
from kd_core.config.comparison import Comparison
from kd_core.config.plan import ALL, BASELINE, FEATURES, LABELLED, TEACHER, LearnerPlan, PhasePlan
from kd_core.config.run import RunConfig
from kd_core.datasets import Data, load
from kd_core.models import with_article
from kd_core.nn.hooks import EMBEDDING
from kd_core.schemes import Scheme, control_learners, student_learner, student_phase, teacher_phase

RANDOM = "random features"


@dataclass(frozen=True)
class Foundation(Scheme):
    title: ClassVar[str] = "Features without labels"
    aliases: ClassVar[tuple[str, ...]] = ("foundation model",)
    summary: ClassVar[str] = (
        "The student learns the features of a frozen network on all images, without any label; then a linear layer on "
        "few labels shows what the features are good for."
    )
    family: ClassVar[str] = "fewer labels"
    paper: ClassVar[str] = "practice of LightlyTrain (2025); linear probes: Alain & Bengio 2017"
    comparison: ClassVar[Comparison] = Comparison(name="features and few labels", control_name="Labels alone")

    probe_epochs: int = integer(
        60, 1, 10_000, "Epochs on the labels after those on the features; the baseline has both on the labels.",
        label="Epochs on the labels",
    )  # fmt: skip
    probe: bool = boolean(
        True, "Train the last layer alone on the labels, a linear probe; otherwise the whole student.",
        label="Linear probe",
    )  # fmt: skip

    @classmethod
    def recommended_settings(cls, data: Data) -> Mapping[str, str]:  # noqa: ARG003
        return {"labelled": "50", "method": "hints", "layers": EMBEDDING}

    def option_conflict(self, config: RunConfig) -> str:
        method, student, data = config.method, config.student, load(config.dataset)
        if method.family not in FEATURES or method.changes_student:
            return (
                f"method = {method.short_name}: {method.title} needs labels or logits, and here features are learned "
                "from images alone. Choose a loss that compares features or relations, such as hints."
            )
        if EMBEDDING not in student.feature_layers():
            return (
                f"student = {student.short_name}: {with_article(student.label())} has no last layer to train alone; "
                "choose another one."
            )
        if config.labels.labelled and config.labels.count(data) < len(data.train):
            return ""
        return "labelled = 0: every example has a label. Choose how few the linear layer gets, for instance 50."

    def phases(self, config: RunConfig) -> tuple[PhasePlan, ...]:
        off = {name: 0.0 for name in ("label_weight", "soft_weight") if name in config.method.values()}
        method = config.method.with_values(**off)
        student = student_learner(config, TEACHER, method=method, is_fixed=True)
        controls = control_learners(config, sees=LABELLED)
        features = student_phase(config, "features", student, *controls, view=replace(config.view, with_rest=True))
        learners = [
            replace(learner, method=None, teachers=(), is_fixed=False, begins_with=learner.role, sees=ALL)
            for learner in (student, *controls)
        ]
        learners[0] = replace(learners[0], is_probe=self.probe)
        if config.basics.control:
            learners.append(LearnerPlan(RANDOM, config.student, config.seed, kind=BASELINE, is_probe=self.probe))
        recipe = config.recipe.with_values(epochs=self.probe_epochs)
        return teacher_phase(config), features, student_phase(config, "probe", *learners, recipe=recipe)
