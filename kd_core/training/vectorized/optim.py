"""The optimiser of stacked weights: R replicas alike in everything but their learning rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from kd_core.config.recipe import Recipe, TeacherRecipe
from kd_core.training.optim import MOMENTUM

BETAS, EPSILON = (0.9, 0.999), 1e-8  # of Adam and AdamW, torch's own
TINY = 1e-6  # beside the length of a gradient that is clipped, as in torch.nn.utils


@dataclass
class Moments:
    """What the optimiser remembers of each weight (R, ...): the momentum, for Adam also the mean square."""

    first: dict[str, Tensor] = field(default_factory=dict)
    second: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, weights: Mapping[str, Tensor], optimiser: str) -> Moments:
        """Before the first step."""
        blank = {name: torch.zeros_like(value) for name, value in weights.items()}
        squares = {name: torch.zeros_like(value) for name, value in weights.items()}
        return cls(blank, {} if optimiser == "sgd" else squares)


def clip(slopes: Mapping[str, Tensor], longest: float) -> None:
    """Shortens, in place, the gradient of every replica that is longer, over all of its weights together."""
    lengths = torch.stack([slope.flatten(1).norm(dim=1) for slope in slopes.values()]).norm(dim=0)
    share = (longest / (lengths + TINY)).clamp(max=1.0)
    for slope in slopes.values():
        slope.mul_(_beside(share, slope))


def fused_step(
    recipe: Recipe | TeacherRecipe,
    weights: Mapping[str, Tensor],
    slopes: Mapping[str, Tensor],
    moments: Moments,
    *,
    done: int,
    rates: Sequence[tuple[slice, float]],
) -> None:
    """The step after ``done`` others, in place, by torch's fused kernels: one call for each stretch of equal rates."""
    names = list(weights)
    no: list[Tensor] = []  # largest squares, of a variant that is not used
    for rows, rate in rates:
        own, by, first = ([of[name][rows] for name in names] for of in (weights, slopes, moments.first))
        common: dict[str, Any] = {"lr": rate, "weight_decay": recipe.weight_decay, "maximize": False}
        if recipe.optimiser == "sgd":
            torch._fused_sgd_(
                own, by, first, **common, momentum=MOMENTUM, dampening=0.0, nesterov=False, is_first_step=False
            )
            continue
        kernel = torch._fused_adam_ if recipe.optimiser == "adam" else torch._fused_adamw_
        count = torch.tensor(float(done + 1), device=own[0].device)
        kernel(
            own, by, first, [moments.second[name][rows] for name in names], no, [count] * len(names),
            **common, beta1=BETAS[0], beta2=BETAS[1], eps=EPSILON, amsgrad=False,
        )  # fmt: skip


def bias_corrections(done: int) -> tuple[float, float]:
    """Of Adam's two means at the step after ``done`` others (Kingma & Ba 2015, algorithm 1): they started at 0."""
    return 1 - BETAS[0] ** (done + 1), (1 - BETAS[1] ** (done + 1)) ** 0.5


def plain_step(
    recipe: Recipe | TeacherRecipe,
    weights: Mapping[str, Tensor],
    slopes: Mapping[str, Tensor],
    moments: Moments,
    *,
    corrected: Tensor,
    rates: Tensor,
) -> None:
    """The same step in plain operations, for a compiler: ``rates`` (R,) and :func:`bias_corrections` (2,) are tensors."""
    for name, weight in weights.items():
        rate, slope, first = _beside(rates, weight), slopes[name], moments.first[name]
        if recipe.optimiser == "adamw":
            weight.mul_(1 - rate * recipe.weight_decay)
        elif recipe.weight_decay:
            slope = slope + recipe.weight_decay * weight
        if recipe.optimiser == "sgd":
            first.mul_(MOMENTUM).add_(slope)
            weight.sub_(rate * first)
            continue
        second = moments.second[name]
        first.lerp_(slope, 1 - BETAS[0])
        second.mul_(BETAS[1]).addcmul_(slope, slope, value=1 - BETAS[1])
        weight.sub_(rate / corrected[0] * first / (second.sqrt() / corrected[1] + EPSILON))


def update_average(averages: Mapping[str, Tensor], current: Mapping[str, Tensor], share: Tensor) -> None:
    """Moves the moving average, in place, by ``share`` () of the way to the ``current`` weights and buffers."""
    for name, value in averages.items():
        if value.is_floating_point():
            value.lerp_(current[name], share)
        else:
            value.copy_(value * (1 - share) + current[name] * share)


def _beside(each: Tensor, tensor: Tensor) -> Tensor:
    """One number per replica (R,), to be multiplied with (R, ...)."""
    return each.view(-1, *[1] * (tensor.dim() - 1))
