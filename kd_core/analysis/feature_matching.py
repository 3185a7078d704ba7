"""What a method matches where, before anything is trained: one row for every pair of places, with what lies between."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from kd_core.methods import LABELS, Method
from kd_core.nn.adapters import count_parameters, describe
from kd_core.nn.hooks import Shape
from kd_core.nn.pairs import Pair


@dataclass(frozen=True)
class MatchRow:
    """Places by name and shape (of one example); ``teacher_shape`` is empty for labels.

    The adaptors are in words, and empty where features are compared as they are; ``learned`` counts their parameters.
    """

    student: str
    student_shape: Shape
    teacher: str
    teacher_shape: Shape
    student_adaptor: str
    teacher_adaptor: str
    learned: int


def match_table(method: Method, pair: Pair) -> list[MatchRow]:
    """Built on the meta device: nothing is allocated and no random number is drawn."""
    with torch.device("meta"):
        between = method.connecting_layers(pair)
    rows = []
    for place, match in enumerate(method.matches(pair)):
        own = {side: between[key] for side in ("student", "teacher") if (key := f"{side} {place}") in between}
        words = {side: describe(adaptor) for side, adaptor in own.items()}
        rows.append(
            MatchRow(
                match.student,
                pair.student_shapes[match.student],
                match.teacher,
                () if match.teacher == LABELS else pair.teacher_shapes[match.teacher],
                words.get("student", ""),
                words.get("teacher", ""),
                sum(map(count_parameters, own.values())),
            )
        )
    return rows
