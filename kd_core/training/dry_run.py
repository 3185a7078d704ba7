"""What can be said of a run before anything is learned: the data, the networks with their cost, the phases."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch

from kd_core.base import events
from kd_core.config.plan import LearnerPlan, PhasePlan, build, describe_examples, kind_of, steps_per_epoch
from kd_core.datasets import Data
from kd_core.nn.cost import measure
from kd_core.training.data import BatchSampler
from kd_core.training.learner import NetworkTrainer


def is_target_reached(phase: PhasePlan, event: events.Event) -> bool:
    """Whether every learner is as good as the phase wants them, so that it ends before its last epoch."""
    return bool(phase.until and isinstance(event, events.Validated) and min(event.accuracy.values()) >= phase.until)


def prepared_event(data: Data, phases: Sequence[PhasePlan]) -> events.Prepared:
    """The first event of every run."""
    networks: dict[str, events.Network] = {}
    for phase in phases:
        for learner in phase.learners:
            networks.setdefault(learner.role, _network(learner, phase, phases, data))
        for derived in phase.derived:
            members = [networks[role] for role in derived.sources]
            networks[derived.role] = events.Network(
                derived.role,
                derived.in_words(),
                sum(own.parameters for own in members),
                sum(own.flops for own in members),
                sum(own.size for own in members),
                "nothing itself",
                derived.kind,
            )
    plan = [
        events.PhaseInfo(
            phase.name, [own.role for own in phase.learners], phase.recipe.epochs, steps_per_epoch(phase, data)
        )
        for phase in phases
    ]
    splits = {"train": len(data.train), "validation": len(data.validation), "test": len(data.test)}
    return events.Prepared(list(data.classes), splits, list(networks.values()), plan)


def out_of_memory_message(phase: PhasePlan, device: torch.device, size: int) -> str:
    """What is said where a device runs out of memory; ``size`` is that of the batches that fit, 0 if none do."""
    advice = f"batches of {size} fit" if size else "choose smaller networks, or another device"
    return f"{device} has too little memory for batches of {phase.recipe.batch_size}: {advice}."


def max_forward_flops(phases: Sequence[PhasePlan], networks: Sequence[events.Network]) -> float:
    """Floating-point operations of the largest forward pass of a training step."""
    flops = {network.role: network.flops for network in networks}
    return float(max(phase.recipe.batch_size * flops[own.role] for phase in phases for own in phase.learners))


def _network(learner: LearnerPlan, phase: PhasePlan, phases: Sequence[PhasePlan], data: Data) -> events.Network:
    cost = measure(functools.partial(build, learner, phases, data), data.shape)
    label, seen = learner.model.label(), describe_examples(phase, learner, data)
    return events.Network(learner.role, label, cost.parameters, cost.flops, cost.size, seen, kind_of(learner))


@torch.no_grad()
def largest_batch(trainers: Sequence[NetworkTrainer], sampler: BatchSampler, size: int) -> int:
    """After the device ran out of memory: the largest batch of ``size``, half, a quarter, … of it that fits; 0 if none
    does. No weight changes."""
    buffers = [(value, value.clone()) for own in trainers for value in own.network.buffers()]
    examples = sampler.examples
    while size:
        try:
            if examples.device.type == "cuda":
                torch.cuda.empty_cache()
            for own in trainers:
                own.zero_grad()
            batch = examples.batch(sampler.rows(trainers[0].learner.sees, 0)[:size], 0)
            for own in trainers:
                own.forward(batch, 0)
            for own in trainers:
                own.backward(own.loss(batch, 0, 0))
        except torch.OutOfMemoryError:
            size //= 2
        else:
            break
    for value, before in buffers:
        value.copy_(before)
    return size
