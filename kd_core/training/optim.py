"""Optimisers of torch with their state under flat names, and learning-rate schedules."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from kd_core.config.recipe import COSINE, ONE_CYCLE, STEPS, BaseRecipe, Recipe, TeacherRecipe

MOMENTUM = 0.9  # of SGD
OPTIMISER_CLASSES: Mapping[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}
# Of OneCycleLR: fraction of the steps in which the rate rises; first and last rate as fractions of the largest.
RISE, LOWEST_START, LOWEST_END = 0.3, 1 / 25, 1 / 25 / 1e4


def build_optimiser(
    recipe: Recipe | TeacherRecipe, weights: Iterable[Tensor] | Iterable[dict[str, Any]]
) -> torch.optim.Optimizer:
    """Return the optimiser of a recipe for weights, or for groups of weights with rates of their own."""
    options: dict[str, Any] = {"momentum": MOMENTUM} if recipe.optimiser == "sgd" else {}
    optimiser: torch.optim.Optimizer = OPTIMISER_CLASSES[recipe.optimiser](
        weights, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True, **options
    )  # type: ignore[call-arg]
    return optimiser


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all groups from the next step on."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def optimiser_state(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the state under flat names. "3/exp_avg" belongs to the fourth weight."""
    state = optimiser.state_dict()["state"]
    return {f"{i}/{name}": value for i, entries in state.items() for name, value in entries.items()
            if isinstance(value, Tensor)}  # fmt: skip


def load_optimiser_state(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Load what :func:`optimiser_state` returned."""
    weights = [weight for group in optimiser.param_groups for weight in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for flat, value in tensors.items():
        index, name = flat.split("/")
        weight = weights[int(index)]
        # A fused kernel reads weight and state in the same memory layout.
        matched = torch.empty_like(weight).copy_(value) if value.shape == weight.shape else value
        state.setdefault(int(index), {})[name] = matched
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})


def rate_factor(recipe: BaseRecipe, done: int, steps: int) -> float:
    """Return the fraction of the learning rate at the step after ``done`` of ``steps`` others.

    The cosine is Loshchilov & Hutter 2017 (SGDR), equation 5, without restarts; one cycle is Smith & Topin 2018 with
    cosine flanks. A linear warm-up comes first, and the schedule fills the remaining steps.
    """
    warm_up = round(recipe.rate_warm_up * steps)
    if done < warm_up:
        return (done + 1) / warm_up
    done, steps = done - warm_up, steps - warm_up
    if recipe.schedule == COSINE:
        return cosine(1.0, 0.0, done / steps)
    if recipe.schedule == STEPS:
        milestones = [fraction * steps for fraction in recipe.milestone_fractions]
        return recipe.lowered_to ** bisect.bisect_right(milestones, done)
    if recipe.schedule == ONE_CYCLE:
        peak = RISE * steps - 1
        if done <= peak:
            return cosine(LOWEST_START, 1.0, done / peak)
        return cosine(1.0, LOWEST_END, (done - peak) / max(1.0, steps - 1 - peak))
    return 1.0


def ramp_up(done: int, steps: int) -> float:
    """Return the fraction of a weight that rises along exp(-5 (1 - t)²) over so many steps; 1 without any.

    Laine & Aila, "Temporal Ensembling for Semi-Supervised Learning" (2017), section 2.1.
    """
    return math.exp(-5.0 * (1.0 - done / steps) ** 2) if done < steps else 1.0


def cosine(start: float, end: float, fraction: float) -> float:
    """Interpolate between ``start`` and ``end`` along half a period of a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * fraction)) / 2
