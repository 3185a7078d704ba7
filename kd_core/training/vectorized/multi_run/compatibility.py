"""Whether runs are alike enough to be trained as one: everything the same but seeds and numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from kd_core.base.options import options_of
from kd_core.config.compute import EXACT
from kd_core.config.plan import ALL, LABELLED, SURE, LearnerPlan, PhasePlan, build
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
    """The phases trained once for all who need them, and those that follow."""
    count = next((number for number, phase in enumerate(phases) if not phase.is_kept), len(phases))
    return list(phases[:count]), list(phases[count:])


def initial_method(learner: LearnerPlan, config: RunConfig) -> Method | None:
    """A learner's method with the options of the run, as at its start."""
    if learner.method is None or not learner.teachers or learner.is_fixed:
        return learner.method if learner.teachers else None
    known = options_of(type(learner.method))
    return learner.method.with_values(**{k: v for k, v in config.live_values().items() if k in known})


def _fixed(config: RunConfig, name: str) -> object:
    """A part of a configuration without what may differ within a stack."""
    part: object = getattr(config, name)
    if isinstance(part, RunOptions | Recipe):
        free = {"seed", "learning_rate"}
        return tuple((option, value) for option, value in part.values().items() if option not in free)
    return part


def stack_key(config: RunConfig) -> str:
    """A text that is the same for runs that differ only in what may differ within a stack."""
    words = [(name, value) for name, value in config.method.values().items() if not isinstance(value, float)]
    return repr((config.method.name, words, *(_fixed(config, name) for name in PARTS)))


def stack_incompatibility(configs: Sequence[RunConfig]) -> str:
    """Why these runs cannot be trained as one stack, as a clause; empty if they can."""
    return next(_clauses(configs), "")


def _clauses(configs: Sequence[RunConfig]) -> Iterator[str]:
    """Every reason against it, each found when it is asked for: the later ones rely on the earlier ones."""
    if not configs:
        yield "there is no run"
        return
    first = configs[0]
    for name in PARTS:
        if any(_fixed(config, name) != _fixed(first, name) for config in configs[1:]):
            yield f"their {name.replace('_', ' ')} differs"
    if first.augmentation.is_on:
        yield "the examples look different at every step"
    if first.compute.precision != EXACT:
        yield f"they compute in {first.compute.precision}"
    if first.recipe.patience or first.recipe.keep == BEST:
        yield "each of them may end or go back on its own (patience, keep)"
    plans = [plan_of(config) for config in configs]
    for plan in plans:
        if [phase.name for phase in plan] != [phase.name for phase in plans[0]]:
            yield "their phases differ"
    before, after = split_phases(plans[0])
    if not after:
        yield "there is nothing to train but a teacher"
    if any(own.classes for phase in before for own in phase.learners):
        yield "a teacher knows only some of the classes"
    for number in range(len(before), len(plans[0])):
        yield from _phase(configs, plans, number)


def _phase(configs: Sequence[RunConfig], plans: Sequence[tuple[PhasePlan, ...]], number: int) -> Iterator[str]:
    phase, data = plans[0][number], load(configs[0].dataset)
    known = {own.role for earlier in split_phases(plans[0])[0] for own in earlier.networks}
    if phase.is_kept or phase.derived or phase.until:
        yield f"the phase “{phase.name}” makes networks of others, or ends when they are good enough"
    if len({own.model for own in phase.learners}) > 1:
        yield f"different networks learn in the phase “{phase.name}”"
    yield from (f"the {own.role} {clause}" for own in phase.learners if (clause := _learner(own, known)))
    with torch.device("meta"):
        network = build(phase.learners[0], plans[0], data)
    if clause := replicas.network_incompatibility(network):
        yield clause
    pairs = [(own, config) for config, plan in zip(configs, plans, strict=True) for own in plan[number].learners]
    methods = [method for own, config in pairs if (method := initial_method(own, config)) is not None]
    if methods and (clause := loss.method_incompatibility(list(dict.fromkeys(methods)), len(data.classes))):
        yield clause


def _learner(own: LearnerPlan, known: set[str]) -> str:
    """``known``: roles that are trained once for all."""
    if own.trunk[0] or own.classes or own.noise or own.uploaded or own.is_balanced or not _sees_usual(own):
        return "is not built or shown examples in the usual way"
    if own.begins_with and own.begins_with != own.role:
        return "goes on from another network"
    if len(own.teachers) > 1 or not set(own.teachers) <= known:
        return "has several teachers, or one that is not trained once for all"
    if own.method is not None and (
        type(own.method).build is not Method.build
        or type(own.method).initialise_student is not Method.initialise_student
    ):
        return "takes over a part of its teacher"
    return ""


def _sees_usual(own: LearnerPlan) -> bool:
    """All of the examples shown, as does whoever wants no confidence of its teacher, or the labelled ones."""
    return own.sees in {ALL, LABELLED} or (own.sees == SURE and not own.confidence)
