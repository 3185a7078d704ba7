"""Optimisers of torch, called without their checks at every step, and learning-rate schedules."""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from kd_core.config.recipe import COSINE, ONE_CYCLE, STEPS, BaseRecipe, Recipe, TeacherRecipe

MOMENTUM = 0.9  # of SGD
OPTIMISER_CLASSES: Mapping[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}
# Of OneCycleLR: fraction of the steps in which the rate rises; first and last rate as fractions of the largest.
RISE, LOWEST_START, LOWEST_END = 0.3, 1 / 25, 1 / 25 / 1e4


class Optimiser:
    """An optimiser of ``torch.optim`` whose fused kernel is called directly.

    For a small network the Python code around the kernel takes longer than the update. ``torch_optimiser`` holds
    groups and state, and takes the first step.
    """

    def __init__(self, recipe: Recipe | TeacherRecipe, weights: Sequence[nn.Parameter], rate: float) -> None:
        options: dict[str, Any] = {"momentum": MOMENTUM} if recipe.optimiser == "sgd" else {}
        self.kind = recipe.optimiser
        self.torch_optimiser = OPTIMISER_CLASSES[self.kind](
            weights, lr=rate, weight_decay=recipe.weight_decay, fused=True, **options
        )  # type: ignore[call-arg]
        self.weights: list[Tensor] = list(weights)
        self._state: dict[str, list[Tensor]] = {}

    @property
    def rate(self) -> float:
        """Learning rate of the next step."""
        return float(self.torch_optimiser.param_groups[0]["lr"])

    @rate.setter
    def rate(self, rate: float) -> None:
        self.torch_optimiser.param_groups[0]["lr"] = rate

    def zero_grad(self) -> None:
        """Drop the gradients of the last step."""
        for weight in self.weights:
            weight.grad = None

    def step(self) -> None:
        """Update the weights, with the kernel and the numbers of ``torch_optimiser``. Call under ``no_grad``."""
        gradients = [weight.grad for weight in self.weights if weight.grad is not None]
        if not self._state or len(gradients) < len(self.weights):
            self.torch_optimiser.step()
            self._state = self._state_lists()
            return
        group, state = self.torch_optimiser.param_groups[0], self._state
        if self.kind == "sgd":
            torch._fused_sgd_(
                self.weights, gradients, state["momentum_buffer"],
                lr=group["lr"], momentum=MOMENTUM, weight_decay=group["weight_decay"],
                dampening=0.0, nesterov=False, maximize=False, is_first_step=False,
            )  # fmt: skip
            return
        torch._foreach_add_(state["step"], 1)
        kernel = torch._fused_adam_ if self.kind == "adam" else torch._fused_adamw_
        kernel(
            self.weights, gradients, state["exp_avg"], state["exp_avg_sq"], [], state["step"],
            lr=group["lr"], beta1=group["betas"][0], beta2=group["betas"][1], weight_decay=group["weight_decay"],
            eps=group["eps"], amsgrad=False, maximize=False,
        )  # fmt: skip

    def state_tensors(self) -> dict[str, Tensor]:
        """Return the state under flat names. "3/exp_avg" belongs to the fourth weight."""
        state = self.torch_optimiser.state_dict()["state"]
        return {f"{i}/{name}": value for i, entries in state.items() for name, value in entries.items()
                if isinstance(value, Tensor)}  # fmt: skip

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Load what :meth:`state_tensors` returned."""
        state: dict[int, dict[str, Tensor]] = {}
        for flat, value in tensors.items():
            index, name = flat.split("/")
            weight = self.weights[int(index)]
            # A fused kernel reads weight and state in the same memory layout.
            matched = torch.empty_like(weight).copy_(value) if value.shape == weight.shape else value
            state.setdefault(int(index), {})[name] = matched
        self.torch_optimiser.load_state_dict({**self.torch_optimiser.state_dict(), "state": state})
        self._state = self._state_lists()

    def move(self, state: Mapping[str, Sequence[Tensor]]) -> None:
        """Copy the state into these tensors, by name and one for each weight, and keep it there."""
        for number, weight in enumerate(self.weights):
            entries = self.torch_optimiser.state[weight]
            for name, targets in state.items():
                entries[name] = targets[number].copy_(entries.get(name, torch.zeros(())))
            if self.kind != "sgd":
                entries.setdefault("step", torch.zeros((), device=weight.device))
        self._state = self._state_lists()

    @property
    def counters(self) -> list[Tensor]:
        """Step counts, each (), that the optimiser holds, one for each weight and none for SGD."""
        return self._state.get("step", [])

    def _state_lists(self) -> dict[str, list[Tensor]]:
        """Return the state by name, one tensor for each weight; empty as long as some weight has none."""
        states = [self.torch_optimiser.state.get(weight, {}) for weight in self.weights]
        if not states or not all(states):
            return {}
        lists = {name: [state[name] for state in states] for name in states[0]}
        return lists if all(isinstance(value, Tensor) for values in lists.values() for value in values) else {}


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


def cosine(start: float, end: float, fraction: float) -> float:
    """Interpolate between ``start`` and ``end`` along half a period of a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * fraction)) / 2
