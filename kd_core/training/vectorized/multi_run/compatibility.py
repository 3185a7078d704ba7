"""Check of whether runs can be trained as one stack, and why not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from kd_core.base.options import options_of
from kd_core.config.compute import EXACT
from kd_core.config.plan import SURE, LearnerPlan, PhasePlan, build
from kd_core.config.recipe import BEST, Recipe, RunOptions
from kd_core.config.run import RunConfig
from kd_core.datasets import load
from kd_core.methods import Method
from kd_core.schemes import plan_of
from kd_core.training.vectorized import loss, replicas

PARTS = (
    "dataset", "teacher", "student", "scheme", "labels", "recipe", "teacher_recipe", "basics", "augmentation",
    "compute",
)  # fmt: skip


def split_phases(phases: Sequence[PhasePlan]) -> tuple[list[PhasePlan], list[PhasePlan]]:
    """Split into the phases trained once for all runs that need them, and those that follow."""
    count = next((number for number, phase in enumerate(phases) if not phase.is_kept), len(phases))
    return list(phases[:count]), list(phases[count:])


def initial_method(learner: LearnerPlan, config: RunConfig) -> Method | None:
    """Return a learner's method with the live options at the start of the run; None without a teacher."""
    if learner.method is None or not learner.teachers or learner.is_fixed:
        return learner.method if learner.teachers else None
    names = options_of(type(learner.method))
    return learner.method.with_values(**{k: v for k, v in config.live_values().items() if k in names})


def _fixed(config: RunConfig, name: str) -> object:
    """Return a part of a configuration without the options that may differ within a stack."""
    part: object = getattr(config, name)
    if isinstance(part, RunOptions | Recipe):
        free = {"seed", "learning_rate"}
        return tuple((option, value) for option, value in part.values().items() if option not in free)
    return part


def stack_key(config: RunConfig) -> str:
    """Return a text that is the same for runs that differ only in what may differ within a stack."""
    options = [(name, value) for name, value in config.method.values().items() if not isinstance(value, float)]
    return repr((config.method.name, options, *(_fixed(config, name) for name in PARTS)))


def stack_incompatibility(configs: Sequence[RunConfig]) -> str:
    """Return why these runs cannot be trained as one stack, as a clause; empty if they can."""
    return next(_clauses(configs), "")


def _clauses(configs: Sequence[RunConfig]) -> Iterator[str]:
    """Yield every reason, computed on demand, since later checks rely on the earlier ones."""
    if not configs:
        yield "there is no run"
        return
    first = configs[0]
    for name in PARTS:
        if any(_fixed(config, name) != _fixed(first, name) for config in configs[1:]):
            yield f"their {name.replace('_', ' ')} differs"
    if not (first.teacher.can_be_stacked and first.student.can_be_stacked):
        yield "a network is given from Python"
    if first.augmentation.is_on:
        yield "the examples are augmented"
    if first.compute.precision != EXACT:
        yield f"they compute in {first.compute.precision}"
    if first.recipe.patience or first.recipe.keep == BEST:
        yield "each of them may end early or restore its best weights (patience, keep)"
    plans = [plan_of(config) for config in configs]
    for plan in plans:
        if [phase.name for phase in plan] != [phase.name for phase in plans[0]]:
            yield "their phases differ"
    teacher_phases, student_phases = split_phases(plans[0])
    if not student_phases:
        yield "there is nothing to train but a teacher"
    if any(learner.classes for phase in teacher_phases for learner in phase.learners):
        yield "a teacher knows only some of the classes"
    for number in range(len(teacher_phases), len(plans[0])):
        yield from _phase_clauses(configs, plans, number)


def _phase_clauses(configs: Sequence[RunConfig], plans: Sequence[tuple[PhasePlan, ...]], number: int) -> Iterator[str]:
    phase, data = plans[0][number], load(configs[0].dataset)
    shared_roles = {network.role for earlier in split_phases(plans[0])[0] for network in earlier.networks}
    if phase.is_kept or phase.derived or phase.until:
        yield f"the phase “{phase.name}” is cached, has derived networks, or ends at a target accuracy"
    if len({learner.model for learner in phase.learners}) > 1:
        yield f"the networks of the phase “{phase.name}” differ in architecture"
    for learner in phase.learners:
        if clause := _learner_clause(learner, shared_roles):
            yield f"the {learner.role} {clause}"
    with torch.device("meta"):
        network = build(phase.learners[0], plans[0], data)
    if clause := replicas.network_incompatibility(network):
        yield clause
    methods = [
        method
        for config, plan in zip(configs, plans, strict=True)
        for learner in plan[number].learners
        if (method := initial_method(learner, config)) is not None
    ]
    if methods and (clause := loss.method_incompatibility(list(dict.fromkeys(methods)), len(data.classes))):
        yield clause


def _learner_clause(learner: LearnerPlan, shared_roles: set[str]) -> str:
    """Return why a learner cannot be stacked, "" if it can.

    ``shared_roles`` are the roles of the networks trained once for all runs.
    """
    if learner.trunk[0] or learner.classes or learner.noise or learner.uploaded:
        return "shares layers, knows only some classes, has noisy inputs, or starts from uploaded weights"
    if learner.is_balanced or (learner.sees == SURE and learner.confidence):
        return "trains on pseudo-labels that depend on its teacher"
    if learner.begins_with and learner.begins_with != learner.role:
        return "starts from the weights of another network"
    if len(learner.teachers) > 1 or not set(learner.teachers) <= shared_roles:
        return "has several teachers, or one that is not trained once for all"
    if learner.method is not None and (
        type(learner.method).build is not Method.build
        or type(learner.method).initialise_student is not Method.initialise_student
    ):
        return "takes over a part of its teacher"
    return ""
