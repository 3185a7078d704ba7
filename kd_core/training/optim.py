"""Torch's optimisers, stepped without what they check at every step: for small networks that takes longer than the
update itself."""

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


class Optimiser:
    """``torch_optimiser`` is the optimiser of that name in torch.optim: its groups, its state and its first step are
    its own."""

    def __init__(self, recipe: Recipe | TeacherRecipe, weights: Sequence[nn.Parameter], rate: float) -> None:
        more: dict[str, Any] = {"momentum": MOMENTUM} if recipe.optimiser == "sgd" else {}
        self.kind = recipe.optimiser
        self.torch_optimiser = OPTIMISER_CLASSES[self.kind](
            weights, lr=rate, weight_decay=recipe.weight_decay, fused=True, **more
        )  # type: ignore[call-arg]
        self.weights: list[Tensor] = list(weights)
        self._state: dict[str, list[Tensor]] = {}

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        return float(self.torch_optimiser.param_groups[0]["lr"])

    @rate.setter
    def rate(self, rate: float) -> None:
        self.torch_optimiser.param_groups[0]["lr"] = rate

    def zero_grad(self) -> None:
        """The gradients of the last step."""
        for weight in self.weights:
            weight.grad = None

    def step(self) -> None:
        """One update, with the operation that the optimiser of torch would call, and the same numbers.

        To be called where no gradients are recorded."""
        slopes = [weight.grad for weight in self.weights if weight.grad is not None]
        if not self._state or len(slopes) < len(self.weights):
            self.torch_optimiser.step()
            self._state = self._lists()
            return
        group, state = self.torch_optimiser.param_groups[0], self._state
        if self.kind == "sgd":
            torch._fused_sgd_(
                self.weights, slopes, state["momentum_buffer"],
                lr=group["lr"], momentum=MOMENTUM, weight_decay=group["weight_decay"],
                dampening=0.0, nesterov=False, maximize=False, is_first_step=False,
            )  # fmt: skip
            return
        torch._foreach_add_(state["step"], 1)
        update = torch._fused_adam_ if self.kind == "adam" else torch._fused_adamw_
        update(
            self.weights, slopes, state["exp_avg"], state["exp_avg_sq"], [], state["step"],
            lr=group["lr"], beta1=group["betas"][0], beta2=group["betas"][1], weight_decay=group["weight_decay"],
            eps=group["eps"], amsgrad=False, maximize=False,
        )  # fmt: skip

    def state_tensors(self) -> dict[str, Tensor]:
        """Its state under flat names: "3/exp_avg" belongs to the fourth weight."""
        state = self.torch_optimiser.state_dict()["state"]
        return {f"{i}/{name}": value for i, entries in state.items() for name, value in entries.items()
                if isinstance(value, Tensor)}  # fmt: skip

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """What :meth:`state_tensors` gave."""
        state: dict[int, dict[str, Tensor]] = {}
        for flat, value in tensors.items():
            index, name = flat.split("/")
            weight = self.weights[int(index)]
            # In the layout of its weight: a fused optimiser walks through both alike.
            laid = torch.empty_like(weight).copy_(value) if value.shape == weight.shape else value
            state.setdefault(int(index), {})[name] = laid
        self.torch_optimiser.load_state_dict({**self.torch_optimiser.state_dict(), "state": state})
        self._state = self._lists()

    def move(self, state: Mapping[str, Sequence[Tensor]]) -> None:
        """Goes on with its state in these tensors, by name and one for each weight, which get what it is now."""
        for number, weight in enumerate(self.weights):
            own = self.torch_optimiser.state[weight]
            for name, places in state.items():
                own[name] = places[number].copy_(own.get(name, torch.zeros(())))
            if self.kind != "sgd":
                own.setdefault("step", torch.zeros((), device=weight.device))
        self._state = self._lists()

    @property
    def counters(self) -> list[Tensor]:
        """() each: how many steps were made, as far as the optimiser wants to know."""
        return self._state.get("step", [])

    def _lists(self) -> dict[str, list[Tensor]]:
        """The state by name, one tensor for each weight; empty as long as some weight has none."""
        each = [self.torch_optimiser.state.get(weight, {}) for weight in self.weights]
        if not each or not all(each):
            return {}
        lists = {name: [own[name] for own in each] for name in each[0]}
        return lists if all(isinstance(v, Tensor) for own in lists.values() for v in own) else {}


RISE, LOWEST_START, LOWEST_END = 0.3, 1 / 25, 1 / 25 / 1e4  # of one cycle, as in torch.optim.lr_scheduler.OneCycleLR


def rate_factor(course: BaseRecipe, done: int, steps: int) -> float:
    """Share of the rate at the step after ``done`` of ``steps`` others.

    The cosine is Loshchilov & Hutter 2017 (SGDR), equation 5, without restarts; one cycle is Smith & Topin 2018 with
    cosine flanks. A warm-up comes first and rises on a line; the schedule fills what is left.
    """
    rising = round(course.rate_warm_up * steps)
    if done < rising:
        return (done + 1) / rising
    done, steps = done - rising, steps - rising
    if course.schedule == COSINE:
        return cosine(1.0, 0.0, done / steps)
    if course.schedule == STEPS:
        return course.lowered_to ** bisect.bisect_right([part * steps for part in course.shares], done)
    if course.schedule == ONE_CYCLE:
        top = RISE * steps - 1
        if done <= top:
            return cosine(LOWEST_START, 1.0, done / top)
        return cosine(1.0, LOWEST_END, (done - top) / max(1.0, steps - 1 - top))
    return 1.0


def cosine(start: float, end: float, part: float) -> float:
    """Half a period of a cosine from ``start`` to ``end``, at ``part`` of the way."""
    return end + (start - end) * (1 + math.cos(math.pi * part)) / 2
