"""Table of the student layers that a method matches with teacher layers, and the adapters between them."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from kd_core.methods import LABELS, Method
from kd_core.nn.adapters import count_parameters, describe
from kd_core.nn.hooks import Shape
from kd_core.nn.pairs import Pair


@dataclass(frozen=True)
class MatchRow:
    """Matched layers by name and feature shape of one example; ``teacher_shape`` is empty for labels.

    The adapters are described in words, empty for none; ``learned`` counts their parameters.
    """

    student: str
    student_shape: Shape
    teacher: str
    teacher_shape: Shape
    student_adapter: str
    teacher_adapter: str
    learned: int


def match_table(method: Method, pair: Pair) -> list[MatchRow]:
    """Return a row per match of a method. Built on the meta device, without memory or random numbers."""
    with torch.device("meta"):
        layers = method.connecting_layers(pair)
    rows = []
    for number, match in enumerate(method.matches(pair)):
        adapters = {side: layers[key] for side in ("student", "teacher") if (key := f"{side} {number}") in layers}
        descriptions = {side: describe(adapter) for side, adapter in adapters.items()}
        rows.append(
            MatchRow(
                match.student,
                pair.student_shapes[match.student],
                match.teacher,
                () if match.teacher == LABELS else pair.teacher_shapes[match.teacher],
                descriptions.get("student", ""),
                descriptions.get("teacher", ""),
                sum(map(count_parameters, adapters.values())),
            )
        )
    return rows
