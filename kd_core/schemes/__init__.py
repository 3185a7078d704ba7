"""Distillation schemes, one file each; a scheme says who teaches whom, and when.

A scheme plans the phases of a run; the training loop carries them out.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any, ClassVar

from kd_core.base.namespaces import class_names, plugin_class
from kd_core.config import validation
from kd_core.config.comparison import Comparison
from kd_core.config.label_subset import TrainSubset
from kd_core.config.plan import BASELINE, STUDENT, TEACHER, LearnerPlan, PhasePlan
from kd_core.config.run import BaseScheme, RunConfig
from kd_core.datasets import load
from kd_core.tasks import EXAMPLE

# In the order of every list.
FAMILIES = ("offline", "online", "self", "several teachers", "fewer labels", "teacher-free")


class Scheme(BaseScheme):
    """Base class of distillation schemes."""

    paper: ClassVar[str] = ""  # authors, year, section
    reads_class_labels: ClassVar[bool] = False  # whether it divides the examples by their classes
    writes_examples: ClassVar[bool] = False  # whether a network writes examples, for tasks whose networks can

    @abstractmethod
    def phases(self, config: RunConfig) -> tuple[PhasePlan, ...]:
        """Return the plan of a configuration."""

    def option_conflict(self, config: RunConfig) -> str:  # noqa: ARG002
        """Return a sentence on settings that make no sense under this scheme; empty if all do."""
        return ""

    def unsupported_reason(self, config: RunConfig) -> str:
        data = load(config.dataset)
        if self.reads_class_labels and not data.task.has_class_per_example:
            labels = (
                f"{data.task.title.lower()} has no such classes"
                if data.task.outputs == EXAMPLE
                else f"each of these {data.noun} has a label for every one of its {data.task.row_noun}"
            )
            return (
                f"scheme = {self.short_name}: {self.title} needs examples of one class each, and {labels}. Choose "
                "another scheme."
            )
        if conflict := self.option_conflict(config):
            return conflict
        if self.writes_examples and not data.task.can_write:
            verb = "classify" if data.task.has_class_rows else "predict numbers of"
            return (
                f"dataset = {config.dataset.short_name}: these networks {verb} {data.noun}, and cannot write any. "
                "Choose a text, such as python_docs."
            )
        phases = self.phases(config)
        for phase in phases:
            for learner in phase.learners:
                if refusal := validation.learner_refusal(learner, phases, data):
                    return refusal
        return ""


def plan_of(config: RunConfig) -> tuple[PhasePlan, ...]:
    """Return the phases of a configuration, which knows its scheme only as a :class:`BaseScheme`."""
    assert isinstance(config.scheme, Scheme)
    return config.scheme.phases(config)


def comparison_of(config: RunConfig) -> Comparison:
    """Return what the verdict on a configuration compares."""
    comparison, task = config.scheme.comparison, config.dataset.task
    if task.counts_rows:
        comparison = comparison.counting(task.row_noun)
    else:
        comparison = comparison.scored_by(task.score_title, task.validation_score_title)
    return comparison.with_omitted_class(config.labels.omitted)


def in_same_phase(config: RunConfig) -> bool:
    """Whether the two compared networks are trained in the same phase, so that a stopped run is still fair."""
    comparison = config.scheme.comparison
    sources = {derived.role: derived.sources for phase in plan_of(config) for derived in phase.derived}
    trained = {role for side in (comparison.role, comparison.control) for role in sources.get(side, (side,))}
    return any(trained <= {learner.role for learner in phase.learners} for phase in plan_of(config))


def teacher_phase(config: RunConfig, role: str = TEACHER, **changes: Any) -> PhasePlan:
    """Return the phase that trains the teacher, on the full training split unless its recipe says otherwise."""
    recipe = config.teacher_recipe
    teacher = LearnerPlan(role, config.teacher, recipe.seed, kind=TEACHER, uploaded=recipe.weights)
    teacher = replace(teacher, **changes)
    return PhasePlan(role, (teacher,), recipe, TrainSubset(*config.teacher_view), teacher.seed, is_kept=True)


def student_learner(config: RunConfig, *teachers: str, **changes: Any) -> LearnerPlan:
    """Return the configuration's student, taught by the networks in these roles with the chosen loss."""
    method = config.method if teachers else None
    return replace(LearnerPlan(STUDENT, config.student, config.seed, method, teachers), **changes)


def control_learners(config: RunConfig, **changes: Any) -> tuple[LearnerPlan, ...]:
    """Return the same network without a teacher; empty if the control is switched off.

    It differs in nothing but the loss: the same seed gives it the same initial weights and the same batches.
    """
    return (replace(LearnerPlan(BASELINE, config.student, config.seed), **changes),) if config.basics.control else ()


def student_phase(config: RunConfig, name: str, *learners: LearnerPlan, **changes: Any) -> PhasePlan:
    """Return a phase with the student's recipe and the student's training examples."""
    return replace(PhasePlan(name, learners, config.recipe, config.view, config.seed), **changes)


def __getattr__(name: str) -> Any:
    return plugin_class("schemes", name)


def __dir__() -> list[str]:
    return [*globals(), *class_names("schemes")]
