"""Check of which networks can be rows of one stack, which runs can be trained side by side, and why others cannot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import nn

from kd_core.config.augmentation import Augmentation
from kd_core.config.compute import Compute
from kd_core.config.plan import SURE, LearnerPlan, PhasePlan, build
from kd_core.config.recipe import BEST, Recipe, RunOptions
from kd_core.config.run import RunConfig
from kd_core.datasets import load
from kd_core.schemes import plan_of
from kd_core.training.learner import live_method
from kd_core.training.vectorized import loss, replicas

PARTS = (
    "dataset", "teacher", "student", "scheme", "labels", "recipe", "teacher_recipe", "basics", "augmentation",
    "compute",
)  # fmt: skip


def split_into_groups(configs: Sequence[RunConfig]) -> list[list[int]]:
    """Return groups of positions of runs that can be trained side by side; a run that cannot be is alone."""
    by_key: dict[str, list[int]] = {}
    for number, config in enumerate(configs):
        by_key.setdefault(group_key(config), []).append(number)
    groups = []
    for group in by_key.values():
        is_incompatible = group_incompatibility([configs[number] for number in group])
        groups += [[number] for number in group] if is_incompatible else [group]
    return groups


def group_key(config: RunConfig) -> str:
    """Return a text that is the same for runs that differ only in what may differ within a group."""
    options = [(name, value) for name, value in config.method.values().items() if not isinstance(value, float)]
    return repr((config.method.name, options, *(_fixed(config, name) for name in PARTS)))


def group_incompatibility(configs: Sequence[RunConfig]) -> str:
    """Return why these runs cannot be trained side by side, as a clause; empty if they can, as any single run."""
    return next(_group_clauses(configs), "") if len(configs) > 1 else ""


def _fixed(config: RunConfig, name: str) -> object:
    """Return a part of a configuration without the options that may differ within a group."""
    part: object = getattr(config, name)
    if isinstance(part, RunOptions | Recipe):
        free = {"seed", "learning_rate"}
        return tuple((option, value) for option, value in part.values().items() if option not in free)
    return part


def _group_clauses(configs: Sequence[RunConfig]) -> Iterator[str]:
    """Yield every reason, computed on demand, since later checks rely on the earlier ones."""
    first = configs[0]
    for name in PARTS:
        if any(_fixed(config, name) != _fixed(first, name) for config in configs[1:]):
            yield f"their {name.replace('_', ' ')} differs"
    if not (first.teacher.can_be_stacked and first.student.can_be_stacked):
        yield "a network is given from Python"
    if first.recipe.patience or first.recipe.keep == BEST:
        yield "each of them may end early or restore its best weights (patience, keep)"
    plans = [plan_of(config) for config in configs]
    if any([phase.name for phase in plan] != [phase.name for phase in plans[0]] for plan in plans):
        yield "their phases differ"
    if all(phase.is_kept for phase in plans[0]):
        yield "there is nothing to train but a teacher"
    for number, phase in enumerate(plans[0]):
        if not phase.is_kept:
            yield from _phase_clauses(configs, plans, number)


def _phase_clauses(configs: Sequence[RunConfig], plans: Sequence[tuple[PhasePlan, ...]], number: int) -> Iterator[str]:
    phase, data = plans[0][number], load(configs[0].dataset)
    if phase.until:
        yield f"the phase “{phase.name}” ends at a target accuracy"
    if any(learner.is_balanced or (learner.sees == SURE and learner.confidence) for learner in phase.learners):
        yield "the pseudo-labels depend on a teacher"
    learners = [
        _initial(learner, config)
        for config, plan in zip(configs, plans, strict=True)
        for learner in plan[number].learners
    ]
    if not data.task.has_class_per_example:
        yield f"the rows of logits are {data.task.row_noun}"
    with torch.device("meta"):
        network = build(phase.learners[0], plans[0], data)
    compute, augmentation = configs[0].compute, configs[0].augmentation
    if clause := stack_incompatibility(learners, network, compute, augmentation, len(data.classes)):
        yield clause


def _initial(learner: LearnerPlan, config: RunConfig) -> LearnerPlan:
    """Return a learner with the live options of its method at the start of the run."""
    if learner.method is None:
        return learner
    return replace(learner, method=live_method(learner, learner.method, config.live_values()))


def stack_incompatibility(
    learners: Sequence[LearnerPlan], network: nn.Module, compute: Compute, augmentation: Augmentation, classes: int
) -> str:
    """Return why the networks of a phase cannot be rows of one stack, as a clause; empty if they can.

    ``network`` is one of them, and the methods are those at the start of the phase.
    """
    return next(_stack_clauses(learners, network, compute, augmentation, classes), "")


def _stack_clauses(
    learners: Sequence[LearnerPlan], network: nn.Module, compute: Compute, augmentation: Augmentation, classes: int
) -> Iterator[str]:
    """Yield every reason, computed on demand, since later checks rely on the earlier ones."""
    if not compute.is_exact:
        yield f"they compute in {compute.precision}"
    if augmentation.is_on:
        yield "the examples are augmented"
    if any(learner.model != learners[0].model for learner in learners):
        yield "the networks differ in architecture"
    for learner in learners:
        if not learner.model.can_be_stacked:
            yield f"the {learner.role} is given from Python"
        if learner.maker is not None or learner.average_of or learner.ramp_up:
            yield f"the {learner.role} has batches that are made, averaged weights, or a teacher whose weight changes"
        if learner.trunk[0] or learner.classes or learner.noise or learner.is_probe:
            yield f"the {learner.role} shares or freezes layers, knows only some classes, or has noisy inputs"
        if len(learner.teachers) > 1 or {other.role for other in learners} & set(learner.teachers):
            yield f"the {learner.role} has several teachers, or one that is trained in the same phase"
        if learner.teachers and learner.method is not None and learner.method.changes_student:
            yield f"the {learner.role} is another network than its control"
    if clause := replicas.network_incompatibility(network):
        yield clause
    methods = [learner.method for learner in learners if learner.teachers and learner.method is not None]
    if len(methods) == 1 and not loss.reads_only_logits(methods[0], classes):
        yield f"{methods[0].title} reads more than logits"
    if len(methods) > 1 and (clause := loss.method_incompatibility(list(dict.fromkeys(methods)), classes)):
        yield clause
