"""Facts of a run before training, and the largest batch size that fits after an out-of-memory error."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import torch

from kd_core.base import events
from kd_core.config.plan import DerivedPlan, LearnerPlan, PhasePlan, build, describe_examples, kind_of, steps_per_epoch
from kd_core.datasets import Data
from kd_core.methods import sum_tensors, total_loss
from kd_core.models import Model
from kd_core.nn.cost import NetworkCost, measure
from kd_core.training.learner import NetworkTrainer


def is_target_reached(phase: PhasePlan, event: events.Event) -> bool:
    """Return whether every network has the accuracy at which the phase may end early."""
    return bool(phase.until and isinstance(event, events.Validated) and min(event.accuracy.values()) >= phase.until)


def prepared_event(data: Data, phases: Sequence[PhasePlan]) -> events.Prepared:
    """Return the first event of a run, with its classes, splits, networks and their cost, and phases."""
    networks: dict[str, events.Network] = {}
    for phase in phases:
        for learner in phase.learners:
            networks.setdefault(learner.role, _network(learner, phase, phases, data))
        for derived in phase.derived:
            networks[derived.role] = _derived_network(derived, [networks[role] for role in derived.sources])
    plan = [
        events.PhaseInfo(
            phase.name, [learner.role for learner in phase.learners], phase.recipe.epochs, steps_per_epoch(phase, data)
        )
        for phase in phases
    ]
    splits = {name: len(split) for name, split in data.splits.items()}
    return events.Prepared(list(data.classes), splits, list(networks.values()), plan)


def out_of_memory_message(phase: PhasePlan, device: torch.device, size: int) -> str:
    """Return the message of an out-of-memory error; ``size`` is the largest batch that fits, 0 if none does."""
    advice = f"batches of {size} fit" if size else "choose smaller networks, or another device"
    return f"{device} has too little memory for batches of {phase.recipe.batch_size}: {advice}."


def max_forward_flops(phases: Sequence[PhasePlan], flops: Mapping[str, float]) -> float:
    """Return the floating-point operations of the largest forward pass of a training step, given those by role."""
    return float(max(phase.recipe.batch_size * flops[learner.role] for phase in phases for learner in phase.learners))


def _network(learner: LearnerPlan, phase: PhasePlan, phases: Sequence[PhasePlan], data: Data) -> events.Network:
    method = None if learner.is_self_taught else learner.method
    if learner.imported or learner.trunk[0] or learner.classes or (method and method.changes_student):
        cost = measure(functools.partial(build, learner, phases, data), data.shape)
    else:
        cost = _cost(learner.model, data.shape, len(data.classes))
    label, examples = learner.model.label(), describe_examples(phase, learner, data)
    return events.Network(learner.role, label, cost.parameters, cost.flops, cost.size, examples, kind_of(learner))


@functools.lru_cache(maxsize=256)
def _cost(model: Model, shape: tuple[int, ...], classes: int) -> NetworkCost:
    """Return the cost of a network of its model alone, which takes as long to count as a small run to train."""
    return measure(functools.partial(model.build, shape, classes), shape)


def _derived_network(derived: DerivedPlan, members: Sequence[events.Network]) -> events.Network:
    return events.Network(
        derived.role,
        derived.in_words(),
        sum(member.parameters for member in members),
        sum(member.flops for member in members),
        sum(member.size for member in members),
        "nothing itself",
        derived.kind,
    )


def largest_batch(trainers: Sequence[NetworkTrainer], size: int) -> int:
    """Return the largest batch size out of ``size``, its half, its quarter, ... that fits; 0 if none does.

    To be called after an out-of-memory error. It runs forward and backward passes; weights and buffers stay the same.
    """
    buffers = [(buffer, buffer.clone()) for trainer in trainers for buffer in trainer.network.buffers()]
    examples, sampler = trainers[0].examples, trainers[0].sampler
    while size:
        try:
            if examples.device.type == "cuda":
                torch.cuda.empty_cache()
            batch = examples.batch(sampler.rows(0)[:size], 0)
            for trainer in trainers:
                trainer.forward(batch, 0)
            losses = [total_loss(parts) for trainer in trainers if (parts := trainer.loss(batch, 0, 0))]
            sum_tensors(losses).backward()  # type: ignore[no-untyped-call]
        except torch.OutOfMemoryError:
            size //= 2
        else:
            break
    with torch.no_grad():
        for buffer, before in buffers:
            buffer.copy_(before)
    return size
