"""Masks and boxes of one image, which show how the networks of a run learn."""

from __future__ import annotations

import base64

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kd_core.analysis.examples.predicted import pictures
from kd_core.base.events import Event, Predicted, from_json, to_json
from kd_core.config.run import from_flat
from kd_core.datasets import Data, load
from kd_core.datasets.scenes import Scenes
from kd_core.datasets.shapes import Shapes
from kd_core.tasks._pictures import richest_image
from kd_core.tasks.segmentation import NO_LABEL, encode_mask
from kd_core.training.loop import Trainer
from tests.tasks.test_detection import SMALL, outputs_of


class Constant(nn.Module):
    """Network with the same outputs (1, ...) for every input; one that trains would fail on purpose."""

    def __init__(self, outputs: Tensor) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, _: Tensor) -> Tensor:
        assert not self.training
        return self.outputs


def shown(data: Data, outputs: Tensor, step: int) -> Predicted:
    networks: dict[str, nn.Module] = {"student": Constant(outputs)}
    (event,) = data.task.details(("students", step, step), networks, ("teacher", Constant(outputs)), data)
    assert isinstance(event, Predicted)
    assert networks["student"].training
    assert from_json(to_json(event)) == event
    return event


def test_a_network_that_is_always_right_has_the_mask_of_the_image() -> None:
    data = load(Scenes(count=24))
    image = richest_image(data.validation.labels[..., None])
    mask = data.validation.labels[image]
    event = shown(data, nn.functional.one_hot(mask, len(data.classes))[None].float(), 0)
    assert event.masks.keys() == {"teacher", "student", "labels"}
    for encoded in event.masks.values():
        assert (np.frombuffer(base64.b64decode(encoded), np.uint8).reshape(event.size) == mask.numpy()).all()
    drawn = pictures(data, event, ["labels", "student"])
    names = ", ".join(data.classes[number] for number in mask.unique())
    assert {role: picture.text for role, picture in drawn.items()} == {
        "image": f"image {image + 1}", "labels": names, "student": names,
    }  # fmt: skip
    assert drawn["labels"].src == drawn["student"].src


def test_a_network_that_is_always_right_has_the_true_boxes_and_the_teacher_is_there_once() -> None:
    data = load(Shapes(count=100))
    image = richest_image(data.validation.labels)
    outputs = outputs_of(data.validation.labels[image : image + 1], len(data.classes))
    event = shown(data, outputs, 0)
    truth = sorted([box[0], *box[2:]] for box in event.boxes["labels"])
    assert len(truth) > 1
    for role in ("teacher", "student"):
        predicted = sorted([box[0], *box[2:]] for box in event.boxes[role])
        np.testing.assert_allclose(predicted, truth, atol=0.01)
    assert shown(data, outputs, 7).boxes.keys() == {"student"}
    text = pictures(data, event, ["labels"])["labels"].text
    assert sorted(text.split(", ")) == sorted(data.classes[int(box[0])] for box in event.boxes["labels"])


def test_pixels_without_a_class_and_images_without_a_box_are_said_to_have_none() -> None:
    mask = torch.tensor([[0, -1], [1, 1]])
    assert encode_mask(mask, 2) == ([2, 2], base64.b64encode(bytes([0, NO_LABEL, 1, 1])).decode())
    assert encode_mask(torch.zeros(200, 130), 64)[0] == [50, 33]
    data = load(Shapes(count=100))
    event = Predicted("students", 0, 0, 0, [], {}, {"student": []})
    assert pictures(data, event, ["student"])["student"].text == "no box"


def test_the_image_with_most_different_labels_is_shown() -> None:
    labels = torch.zeros(12, 4, 4, 1)
    labels[3, 0, :3, 0] = torch.tensor([1.0, 2.0, 3.0])
    labels[11] = torch.arange(16.0).reshape(4, 4, 1)  # beyond those that are searched
    assert richest_image(labels) == 3


@pytest.mark.parametrize(
    "settings",
    [SMALL, {"dataset": "scenes", "dataset_count": "24", "teacher_epochs": "1", "epochs": "1", "labelled": "8"}],
)
def test_every_evaluation_of_a_run_shows_its_networks(settings: dict[str, str]) -> None:
    events: list[Event] = list(Trainer(from_flat(settings)))
    predicted = [event for event in events if isinstance(event, Predicted)]
    assert [(event.phase, event.epoch) for event in predicted] == [
        ("teacher", 0), ("teacher", 1), ("students", 0), ("students", 1),
    ]  # fmt: skip
    last = predicted[-1]
    assert (last.masks or last.boxes).keys() == {"student", "baseline"}
