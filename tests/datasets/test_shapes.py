"""Generated scenes are reproducible, and every shape has a box and can be seen."""

import pytest
import torch

from kd_core.datasets import Data
from kd_core.datasets.shapes import SHAPES, SIDE, Shapes
from kd_core.tasks._boxes import true_boxes

SMALL = Shapes(count=100, noise=0.0)


def boxes(data: Data) -> list[torch.Tensor]:
    return [image.boxes for image in true_boxes(data.train.labels, len(SHAPES))]


@pytest.mark.slow
def test_the_same_options_give_the_same_scenes_and_another_draw_gives_others() -> None:
    first, again, other = (shapes.load() for shapes in (SMALL, SMALL, SMALL.with_values(draw=1)))
    assert torch.equal(first.train.inputs, again.train.inputs)
    assert torch.equal(first.train.labels, again.train.labels)
    assert not torch.equal(first.train.inputs, other.train.inputs)
    assert not torch.equal(first.train.inputs[:100], first.test.inputs[:100])


def test_more_scenes_add_some_and_change_no_label() -> None:
    assert torch.equal(Shapes(count=200, noise=0.0).load().train.labels[:100], SMALL.load().train.labels)


def test_every_box_holds_its_shape_and_nothing_of_it_is_outside() -> None:
    data = SMALL.load()
    pixels = data.pixels(data.train.inputs).float()
    for image, sides in zip(pixels[:, 0], boxes(data), strict=True):
        if len(sides) != 1:
            continue
        x0, y0, x1, y1 = (SIDE * sides[0]).round().long().tolist()
        inside = torch.zeros(SIDE, SIDE, dtype=torch.bool)
        inside[y0:y1, x0:x1] = True
        # The background is two gradients, so only the edges of a shape have large differences.
        edges = (image[1:, 1:] - image[:-1, 1:]).abs() + (image[1:, 1:] - image[1:, :-1]).abs() > 30
        assert edges.any()
        rows, columns = edges.nonzero().T
        assert rows.min() >= y0 - 1
        assert rows.max() <= y1
        assert columns.min() >= x0 - 1
        assert columns.max() <= x1


def test_every_class_occurs_and_scenes_have_one_to_four_shapes() -> None:
    data = SMALL.load()
    counts = {len(sides) for sides in boxes(data)}
    assert counts == {1, 2, 3, 4}
    assert set(data.train.labels[..., 0].unique().tolist()) == {0.0, 1.0, 2.0, 3.0, 4.0}
