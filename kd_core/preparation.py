"""What can be said of a run before anything is learned: the data, the networks with their cost, the phases."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from kd_core import events
from kd_core.datasets import Data
from kd_core.footprint import measure
from kd_core.schemes import Phase, build

LOOKS = 200  # evaluations of a phase at most, besides the one before it begins


def steps_per_epoch(phase: Phase, data: Data) -> int:
    """Optimiser steps of one pass over what the phase is shown; the last batch may be smaller."""
    return -(-phase.view.count(data) // phase.recipe.batch_size)


def epochs_per_look(phase: Phase) -> int:
    """Epochs between two evaluations: 1, or as many as keep a long phase at :data:`LOOKS` of them."""
    return -(-phase.recipe.epochs // LOOKS)


def prepared(data: Data, phases: Sequence[Phase]) -> events.Prepared:
    """The first event of every run."""
    networks = []
    for phase in phases:
        saw = phase.view.in_words(data)
        for learner in phase.learners:
            cost = measure(functools.partial(build, learner, phases, data), data.shape)
            networks.append(
                events.Network(learner.role, learner.model.label(), cost.parameters, cost.flops, cost.size, saw)
            )
    plan = [
        events.Phase(
            phase.name, [own.role for own in phase.learners], phase.recipe.epochs, steps_per_epoch(phase, data)
        )
        for phase in phases
    ]
    splits = {"train": len(data.train), "validation": len(data.validation), "test": len(data.test)}
    return events.Prepared(list(data.classes), splits, networks, plan)
