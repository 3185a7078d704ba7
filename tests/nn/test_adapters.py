"""Layers that map a student's features to the shape of the teacher's."""

import pytest
import torch

from kd_core.nn.adapters import Regressor, match_sizes, pool_to_vector
from kd_core.nn.hooks import Shape


@pytest.mark.parametrize(
    ("student", "teacher", "layer"),
    [
        ((8, 4, 4), (16, 4, 4), "1 × 1 convolution 8 → 16"),
        ((8, 8, 8), (16, 4, 4), "3 × 3 convolution, stride 2 8 → 16"),
        ((8, 2, 2), (16, 4, 4), "4 × 4 transposed convolution, stride 2 8 → 16"),
        ((8, 7, 7), (16, 3, 3), "1 × 1 convolution 8 → 16"),
        ((8, 4, 4), (16,), "linear 8 → 16"),
        ((8,), (16,), "linear 8 → 16"),
    ],
    ids=str,
)
def test_a_regressor_maps_to_the_shape_of_the_teacher(student: Shape, teacher: Shape, layer: str) -> None:
    regressor = Regressor(student, teacher)
    assert regressor(torch.randn(3, *student)).shape == (3, *teacher)
    assert regressor.in_words().startswith(layer)


def test_maps_of_two_sizes_are_averaged_to_the_smaller_height_and_the_smaller_width() -> None:
    first, second = torch.arange(32.0).view(1, 1, 8, 4), torch.arange(24.0).view(1, 1, 4, 6)
    pooled, other = match_sizes(first, second)
    assert pooled.shape == other.shape == (1, 1, 4, 4)
    assert torch.equal(pooled, first.view(1, 1, 4, 2, 4).mean(3))
    assert torch.equal(pool_to_vector(first), first.mean((2, 3)))
