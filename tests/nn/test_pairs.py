"""Pairs of student and teacher, and the layers that match."""

import pytest

from kd_core.models.cnn import Cnn
from kd_core.nn.pairs import Pair


@pytest.mark.parametrize(
    ("student", "teacher", "expected"),
    [
        (2, 4, [(1, 2), (2, 4)]),
        (3, 2, [(2, 1), (3, 2)]),
        (4, 2, [(2, 1), (4, 2)]),
        (3, 3, [(1, 1), (2, 2), (3, 3)]),
        (1, 3, [(1, 3)]),
    ],
)
def test_stages_are_paired_from_the_end_at_the_same_relative_depth(
    student: int, teacher: int, expected: list[tuple[int, int]]
) -> None:
    pair = Pair(Cnn(4, student), Cnn(8, teacher), (1, 16, 16), 10)
    assert pair.stage_pairs == [
        (f"stage {student_layer}", f"stage {teacher_layer}") for student_layer, teacher_layer in expected
    ]
