"""Arrangements, one file each: WHO teaches whom, and when. A scheme is a plan; the training loop carries it out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from kd_core.base.namespaces import class_names, plugin_class
from kd_core.config import validation
from kd_core.config.comparison import Comparison
from kd_core.config.label_subset import TrainSubset
from kd_core.config.plan import BASELINE, STUDENT, TEACHER, LearnerPlan, PhasePlan
from kd_core.config.run import BaseScheme, RunConfig
from kd_core.datasets import load

# In the order of every list.
FAMILIES = ("offline", "online", "self", "several teachers", "fewer labels", "teacher-free")


class Scheme(BaseScheme):
    """Base of all arrangements."""

    paper: ClassVar[str]  # authors, year, section

    def phases(self, config: RunConfig) -> tuple[PhasePlan, ...]:
        """The plan for a configuration."""
        raise NotImplementedError

    def option_conflict(self, config: RunConfig) -> str:  # noqa: ARG002
        """What makes no sense under this scheme alone, as a sentence; empty if nothing."""
        return ""

    def unsupported_reason(self, config: RunConfig) -> str:
        if objection := self.option_conflict(config):
            return objection
        data, phases = load(config.dataset), self.phases(config)
        for phase in phases:
            for learner in phase.learners:
                if refusal := validation.learner_refusal(learner, phases, data):
                    return refusal
        return ""


def plan_of(config: RunConfig) -> tuple[PhasePlan, ...]:
    """The phases of a configuration. It knows its scheme only as an :class:`BaseScheme`."""
    assert isinstance(config.scheme, Scheme)
    return config.scheme.phases(config)


def comparison_of(config: RunConfig) -> Comparison:
    """What the verdict on a configuration compares."""
    return config.scheme.comparison.with_omitted_class(config.labels.omitted)


def teacher_phase(config: RunConfig, role: str = TEACHER, **more: Any) -> PhasePlan:
    """The teacher on the full and clean training split, unless told to see what the student sees."""
    recipe = config.teacher_recipe
    teacher = replace(LearnerPlan(role, config.teacher, recipe.seed, kind=TEACHER, uploaded=recipe.weights), **more)
    return PhasePlan(role, (teacher,), recipe, TrainSubset(*config.teacher_view), teacher.seed, is_kept=True)


def student_learner(config: RunConfig, *teachers: str, **more: Any) -> LearnerPlan:
    """The student of the configuration, taught by these roles through the chosen method."""
    usual = LearnerPlan(STUDENT, config.student, config.seed, config.method if teachers else None, teachers)
    return replace(usual, **more)


def control_learners(config: RunConfig, **more: Any) -> tuple[LearnerPlan, ...]:
    """The same network without a teacher, unless switched off.

    It differs in nothing but the loss: same seed, so same weights at the start and same batches.
    """
    return (replace(LearnerPlan(BASELINE, config.student, config.seed), **more),) if config.basics.control else ()


def student_phase(config: RunConfig, name: str, *learners: LearnerPlan, **more: Any) -> PhasePlan:
    """A phase with the student's recipe and what the student is shown."""
    return replace(PhasePlan(name, learners, config.recipe, config.view, config.seed), **more)


def __getattr__(name: str) -> Any:
    return plugin_class("schemes", name)


def __dir__() -> list[str]:
    return [*globals(), *class_names("schemes")]
