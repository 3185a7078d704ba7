"""Sizes of teaching assistants between teacher and student (Mirzadeh et al. 2020)."""

from __future__ import annotations

import functools

import torch

from kd_core.models import Model
from kd_core.nn.pairs import Pair

SMALLEST = 1 / 64


@functools.lru_cache(maxsize=256)  # asked whenever a configuration is checked
def assistant_model(pair: Pair, fraction: float) -> Model:
    """Return the teacher's family, narrowed so that the logarithm of its parameters is ``fraction`` of the way down.

    Mirzadeh et al., "Improved Knowledge Distillation via Teacher Assistant" (2020), section 4, find the best assistant
    about halfway in accuracy; between these sizes that is about halfway in the logarithm of the parameters.
    """
    large, small = (_parameters(model, pair) for model in (pair.teacher, pair.student))
    target = large ** (1 - fraction) * small**fraction
    factors = [SMALLEST ** (step / 48) for step in range(49)]
    return min(
        (pair.teacher.scaled(factor) for factor in factors), key=lambda model: abs(_parameters(model, pair) - target)
    )


@functools.lru_cache(maxsize=256)
def _count(model: Model, shape: tuple[int, ...], classes: int) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in model.build(shape, classes).parameters())


def _parameters(model: Model, pair: Pair) -> int:
    return _count(model, pair.shape, pair.classes)
