"""Optimiser, gradient clipping and moving average of the stacked weights of R replicas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from kd_core.config.recipe import Recipe, TeacherRecipe
from kd_core.training.optim import MOMENTUM

BETAS, EPSILON = (0.9, 0.999), 1e-8  # of Adam and AdamW, torch's defaults
CLIP_EPSILON = 1e-6  # added to the norm of a gradient that is clipped, as in torch.nn.utils


@dataclass
class Moments:
    """Optimiser state of each weight (R, ...), the momentum and, for Adam, the mean square."""

    first: dict[str, Tensor] = field(default_factory=dict)
    second: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, weights: Mapping[str, Tensor], optimiser: str) -> Moments:
        """Return the state before the first step."""
        first = {name: torch.zeros_like(value) for name, value in weights.items()}
        second = {name: torch.zeros_like(value) for name, value in weights.items()}
        return cls(first, {} if optimiser == "sgd" else second)


def clip(gradients: Mapping[str, Tensor], max_norm: float) -> None:
    """Clip, in place, the gradient of every replica to ``max_norm`` over all of its weights together."""
    norms = torch.stack([gradient.flatten(1).norm(dim=1) for gradient in gradients.values()]).norm(dim=0)
    factors = (max_norm / (norms + CLIP_EPSILON)).clamp(max=1.0)
    for gradient in gradients.values():
        gradient.mul_(_expanded(factors, gradient))


def fused_step(
    recipe: Recipe | TeacherRecipe,
    weights: Mapping[str, Tensor],
    gradients: Mapping[str, Tensor],
    moments: Moments,
    *,
    done: int,
    rates: Sequence[tuple[slice, float]],
) -> None:
    """Take the step after ``done`` others, in place, with torch's fused kernels.

    ``rates`` are stretches of replicas and their learning rate; each stretch is one call.
    """
    names = list(weights)
    max_squares: list[Tensor] = []  # of AMSGrad, which is off
    for rows, rate in rates:
        values, grads, first = (
            [stacked[name][rows] for name in names] for stacked in (weights, gradients, moments.first)
        )
        common: dict[str, Any] = {"lr": rate, "weight_decay": recipe.weight_decay, "maximize": False}
        if recipe.optimiser == "sgd":
            torch._fused_sgd_(
                values, grads, first, **common, momentum=MOMENTUM, dampening=0.0, nesterov=False, is_first_step=False
            )
            continue
        kernel = torch._fused_adam_ if recipe.optimiser == "adam" else torch._fused_adamw_
        count = torch.tensor(float(done + 1), device=values[0].device)
        kernel(
            values, grads, first, [moments.second[name][rows] for name in names], max_squares, [count] * len(names),
            **common, beta1=BETAS[0], beta2=BETAS[1], eps=EPSILON, amsgrad=False,
        )  # fmt: skip


def bias_corrections(done: int) -> tuple[float, float]:
    """Return Adam's two bias corrections at the step after ``done`` others (Kingma & Ba 2015, algorithm 1)."""
    return 1 - BETAS[0] ** (done + 1), (1 - BETAS[1] ** (done + 1)) ** 0.5


def plain_step(
    recipe: Recipe | TeacherRecipe,
    weights: Mapping[str, Tensor],
    gradients: Mapping[str, Tensor],
    moments: Moments,
    *,
    corrected: Tensor,
    rates: Tensor,
) -> None:
    """Take the same step in plain operations, for a compiler.

    ``rates`` (R,) and ``corrected`` (2,), the :func:`bias_corrections`, are tensors, since they are no constants.
    """
    for name, weight in weights.items():
        rate, gradient, first = _expanded(rates, weight), gradients[name], moments.first[name]
        if recipe.optimiser == "adamw":
            weight.mul_(1 - rate * recipe.weight_decay)
        elif recipe.weight_decay:
            gradient = gradient + recipe.weight_decay * weight
        if recipe.optimiser == "sgd":
            first.mul_(MOMENTUM).add_(gradient)
            weight.sub_(rate * first)
            continue
        second = moments.second[name]
        first.lerp_(gradient, 1 - BETAS[0])
        second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        weight.sub_(rate / corrected[0] * first / (second.sqrt() / corrected[1] + EPSILON))


def update_average(averages: Mapping[str, Tensor], current: Mapping[str, Tensor], fraction: Tensor) -> None:
    """Move the moving average, in place, by ``fraction`` () of the way to the ``current`` weights and buffers."""
    for name, value in averages.items():
        if value.is_floating_point():
            value.lerp_(current[name], fraction)
        else:
            value.copy_(value * (1 - fraction) + current[name] * fraction)


def _expanded(numbers: Tensor, stacked: Tensor) -> Tensor:
    """Return one number per replica (R,) in a shape that broadcasts against ``stacked`` (R, ...)."""
    return numbers.view(-1, *[1] * (stacked.dim() - 1))
