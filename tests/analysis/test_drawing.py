"""Drawings as text and as network inputs."""

import pytest
import torch

from kd_core.analysis.examples import drawing
from kd_core.base.registry import find_plugin
from kd_core.datasets import load


def code(*points: tuple[int, int]) -> str:
    return "".join(drawing.ALPHABET[x] + drawing.ALPHABET[y] for x, y in points)


UPRIGHT = code((32, 8), (32, 56))
ROUND = code(*[(20, 10), (40, 10), (46, 30), (40, 54), (20, 54), (14, 30), (20, 10)])


def test_text_and_points_are_the_same_drawing() -> None:
    assert drawing.strokes(f"{code((0, 63), (63, 0))}.{code((5, 6))}") == [[(0, 63), (63, 0)], [(5, 6)]]


def test_ink_is_under_the_pen_and_nowhere_else() -> None:
    ink = drawing.rasterize(drawing.strokes(code((16, 32), (48, 32))))
    fine = drawing.FINE
    assert ink[round(32.5 * fine), 20 * fine : 44 * fine].min() == 1
    assert ink[: 28 * fine].max() == 0
    assert ink[37 * fine :].max() == 0
    assert ink[:, : 12 * fine].max() == 0


def test_a_drawing_is_centred_and_scaled_like_the_data_set() -> None:
    for shift in (-12, 0, 10):  # anywhere on the pad
        moved = drawing.fit(
            drawing.rasterize(drawing.strokes(code((32 + shift, 20), (32 + shift, 44)))), (8, 8), fill=1.0
        )
        assert torch.allclose(moved, moved.flip(1), atol=0.05)  # centred, to a quarter of a cell
        assert moved[0].max() > 0.3  # from top ...
        assert moved[-1].max() > 0.3  # ... to bottom
    small = drawing.fit(drawing.rasterize(drawing.strokes(UPRIGHT)), (28, 28), fill=20 / 28)
    assert small[:3].max() == 0
    assert small[14].max() > 0.9


@pytest.mark.parametrize(("text", "digit"), [(UPRIGHT, 1), (ROUND, 0)])
def test_a_drawn_digit_is_nearest_to_the_mean_of_its_class(text: str, digit: int) -> None:
    data = load(find_plugin("datasets", "digits")())
    means = torch.stack([data.train.inputs[data.train.labels == label].mean(0) for label in range(10)])
    distances = (means - drawing.network_input(data, text)).flatten(1).norm(dim=1)
    assert distances.argmin() == digit


@pytest.mark.parametrize("text", ["A", "AB?D", "AAAA..BB", "...", "ÄÄ", "<b>"])
def test_a_text_that_is_no_drawing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no drawing"):
        drawing.network_input(load(find_plugin("datasets", "digits")()), text)


@pytest.mark.parametrize("text", ["1", "1,2,3", "a,b", "nan,0", "inf,1", "1e9,0", "AABB"])
def test_a_text_that_is_no_point_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no point"):
        drawing.network_input(load(find_plugin("datasets", "moons")()), text)


def test_a_point_is_its_coordinates() -> None:
    assert drawing.network_input(load(find_plugin("datasets", "moons")()), "0.5,-1.25").tolist() == [[0.5, -1.25]]
