"""Networks of sizes in between, for a chain of teaching assistants."""

from __future__ import annotations

import functools

import torch

from kd_core.models import Model
from kd_core.nn.pairs import Pair

SMALLEST = 1 / 64


def assistant_model(pair: Pair, fraction: float) -> Model:
    """The teacher's family, made narrower until its parameters are ``fraction`` of the way to the student's, in powers.

    Mirzadeh et al., "Improved Knowledge Distillation via Teacher Assistant" (2020), section 4, find the best assistant
    about halfway in accuracy; between these sizes that is about halfway in the logarithm of the parameters.
    """
    large, small = (_parameters(model, pair) for model in (pair.teacher, pair.student))
    wanted = large ** (1 - fraction) * small**fraction
    factors = [SMALLEST ** (step / 48) for step in range(49)]
    return min(
        (pair.teacher.scaled(factor) for factor in factors), key=lambda model: abs(_parameters(model, pair) - wanted)
    )


@functools.lru_cache(maxsize=256)
def _count(model: Model, shape: tuple[int, ...], classes: int) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in model.build(shape, classes).parameters())


def _parameters(model: Model, pair: Pair) -> int:
    return _count(model, pair.shape, pair.classes)
