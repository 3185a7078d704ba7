"""Optimisers, gradient clipping and moving average of the stacked weights of R replicas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from kd_core.config.recipe import Recipe, TeacherRecipe
from kd_core.training.optim import MOMENTUM

BETAS, EPSILON = (0.9, 0.999), 1e-8  # of Adam and AdamW, torch's defaults
CLIP_EPSILON = 1e-6  # added to the norm of a gradient that is clipped, as in torch.nn.utils


def clip(gradients: Mapping[str, Tensor], max_norm: float) -> None:
    """Clip, in place, the gradient (R, ...) of every replica to ``max_norm`` over all of its weights together."""
    norms = torch.stack([gradient.flatten(1).norm(dim=1) for gradient in gradients.values()]).norm(dim=0)
    factors = (max_norm / (norms + CLIP_EPSILON)).clamp(max=1.0)
    for gradient in gradients.values():
        gradient.mul_(factors.view(-1, *[1] * (gradient.dim() - 1)))


def bias_corrections(done: int) -> tuple[float, float]:
    """Return Adam's two bias corrections at the step after ``done`` others (Kingma & Ba 2015, algorithm 1)."""
    return 1 - BETAS[0] ** (done + 1), (1 - BETAS[1] ** (done + 1)) ** 0.5


def step(
    recipe: Recipe | TeacherRecipe,
    weights: Tensor,
    gradient: Tensor,
    first: Tensor,
    second: Tensor,
    *,
    corrected: Sequence[float | Tensor],
    rates: float | Tensor,
) -> None:
    """Take the step of torch's SGD, Adam or AdamW, in place and in operations that can be traced.

    Args:
        recipe: Optimiser and weight decay.
        weights: Weights of all replicas in one vector; ``gradient`` and the optimiser's state are laid out alike.
        gradient: Of the loss.
        first: Momentum.
        second: Mean square, for Adam.
        corrected: The two :func:`bias_corrections`.
        rates: Learning rate of all weights, or a vector of one for each.
    """
    if recipe.optimiser == "adamw" and recipe.weight_decay:
        weights.mul_(1 - rates * recipe.weight_decay)
    elif recipe.weight_decay:
        gradient = gradient + recipe.weight_decay * weights
    if recipe.optimiser == "sgd":
        first.mul_(MOMENTUM).add_(gradient)
        weights.sub_(rates * first)
        return
    first.lerp_(gradient, 1 - BETAS[0])
    second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
    # Both bias corrections are moved out of the fraction, which saves passes over the weights.
    scale = rates * corrected[1] / corrected[0]
    denominator = second.sqrt().add_(EPSILON * corrected[1])
    if isinstance(scale, Tensor):
        weights.sub_((scale * first).div_(denominator))
    else:
        weights.addcdiv_(first, denominator, value=-scale)


def update_average(average: Tensor, current: Tensor, fraction: float | Tensor) -> None:
    """Move the moving average, in place, by ``fraction`` () of the way to the ``current`` tensor."""
    if average.is_floating_point():
        average.lerp_(current, fraction)
    else:
        average.copy_(average * (1 - fraction) + current * fraction)
