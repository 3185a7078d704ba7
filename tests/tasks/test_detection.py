"""Detection, from boxes as distributions over bins to the average precision."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from kd_core.base.events import Finished, Step
from kd_core.config.run import from_flat
from kd_core.datasets import load
from kd_core.datasets.shapes import GRID, Shapes
from kd_core.models.detector import Detector
from kd_core.tasks._boxes import (
    BIN,
    BINS,
    BOX,
    REACH,
    Detections,
    assign,
    average_precisions,
    centres,
    decode,
    detect,
    distribution_focal_loss,
    encode,
    object_scores,
    true_boxes,
)
from kd_core.tasks.detection import Detection, box_loss
from kd_core.training.loop import Trainer

SMALL = {
    "dataset": "shapes", "dataset_count": "100", "teacher": "detector", "teacher_width": "8", "student": "detector",
    "student_width": "4", "epochs": "1", "teacher_epochs": "1",
}  # fmt: skip


def random_boxes(count: int, random: torch.Generator) -> Tensor:
    corners = torch.rand(count, 2, 2, generator=random).sort(1).values
    return torch.cat([corners[:, 0], (corners[:, 1]).maximum(corners[:, 0] + 0.05)], 1).clamp(0, 1)


def outputs_of(labels: Tensor, classes: int) -> Tensor:
    """Return outputs that name the class and the box of every cell exactly."""
    logits = 40.0 * F.one_hot(labels[..., 0].long(), classes)
    distances = encode(labels[..., 1:])
    low, part = distances.floor().long(), distances % 1
    sides = torch.full((*distances.shape, BINS), 1e-12)
    sides.scatter_(-1, low[..., None], (1 - part)[..., None]).scatter_(-1, low[..., None] + 1, part[..., None])
    return torch.cat([logits, sides.clamp(1e-12).log().flatten(-2)], -1)


def test_a_box_is_the_same_after_encoding_and_decoding_as_far_as_the_bins_reach() -> None:
    box = torch.tensor([0.31, 0.2, 0.77, 0.6])
    cells = assign(box[None], torch.tensor([1]), GRID**2, 2)
    is_object = cells[:, 0] == 1
    middle = centres(GRID**2)[is_object]
    assert ((middle > box[:2]) & (middle < box[2:])).all()
    decoded = decode(outputs_of(cells[None], 3)[0, :, -BOX:])[is_object]
    torch.testing.assert_close(decoded, box.expand_as(decoded), atol=1e-5, rtol=0)
    assert encode(torch.tensor([[-9.0, 0.4, 0.5, 9.0]]).expand(4, 4)).max() < BINS - 1
    assert pytest.approx(REACH) == BIN * (BINS - 1)


def test_every_box_has_a_cell_and_the_smallest_wins_where_two_claim_one() -> None:
    boxes = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.45, 0.45, 0.5, 0.5]])
    cells = assign(boxes, torch.tensor([0, 1]), 16, 2)
    assert {0.0, 1.0, 2.0} == set(cells[:, 0].tolist())
    (small,) = (cells[:, 0] == 1).nonzero().flatten().tolist()
    assert small == 1 * 4 + 1  # the cell that holds the centre (0.475, 0.475)
    assert (cells[cells[:, 0] == 2, 1:] == 0).all()


def test_perfect_outputs_have_the_full_precision_and_nothing_found_has_none() -> None:
    data = load(Shapes(count=100))
    labels = data.test.labels[:50]
    truth = true_boxes(labels, 4)
    exact = detect(outputs_of(labels, 5))
    assert average_precisions(exact, truth, 4).min() > 0.97  # NMS drops some that overlap by half
    nothing = [Detections(torch.empty(0, 4), torch.empty(0, dtype=torch.long), torch.empty(0)) for _ in truth]
    assert average_precisions(nothing, truth, 4).max() == 0


def test_a_detection_is_right_at_the_thresholds_that_its_overlap_reaches() -> None:
    """It overlaps one of two objects by 0.72; a worse one at the same place finds none that is free."""
    objects = torch.tensor([[0.0, 0.0, 0.5, 0.5], [0.6, 0.6, 0.9, 0.9]])
    boxes = torch.tensor([[0.0, 0.0, 0.5, 0.36], [0.0, 0.0, 0.5, 0.355]])
    truth = Detections(objects, torch.tensor([0, 0]), torch.ones(2))
    detections = Detections(boxes, torch.tensor([0, 0]), torch.tensor([0.9, 0.8]))
    half = 51 / 101  # of the recalls from 0 to 1 are at most a half
    assert average_precisions([detections], [truth], 1)[0].tolist() == pytest.approx([half] * 5 + [0.0] * 5)


def test_average_precisions_equal_those_of_coco_s_tools() -> None:
    coco = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    random = torch.Generator().manual_seed(0)
    truth, detections = [], []
    for _ in range(40):
        boxes, classes = random_boxes(4, random), torch.randint(0, 3, (4,), generator=random)
        near = (boxes.repeat(2, 1) + 0.04 * torch.randn(8, 4, generator=random)).clamp(0, 1)
        corners = torch.cat([near[:, :2], near[:, 2:].maximum(near[:, :2] + 0.01)], 1)
        guesses = torch.where(torch.rand(8, generator=random) < 0.8, classes.repeat(2), 2)
        scores = torch.rand(8, generator=random)
        order = scores.argsort(descending=True)
        truth.append(Detections(boxes, classes, torch.ones(4)))
        detections.append(Detections(corners[order], guesses[order], scores[order]))
    entries: list[list[dict[str, object]]] = [[], []]
    for kind, images in enumerate((truth, detections)):
        for image, one in enumerate(images):
            for box, number, score in zip(1000 * one.boxes.double(), one.classes, one.scores, strict=True):
                x, y, right, below = box.tolist()
                entries[kind].append({
                    "id": len(entries[kind]) + 1, "image_id": image, "category_id": int(number), "score": float(score),
                    "bbox": [x, y, right - x, below - y], "area": (right - x) * (below - y), "iscrowd": 0,
                })  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        reference = coco.COCO()
        reference.dataset = {
            "images": [{"id": image} for image in range(40)], "categories": [{"id": number} for number in range(3)],
            "annotations": entries[0], "info": {},
        }  # fmt: skip
        reference.createIndex()
        judge = evaluation.COCOeval(reference, reference.loadRes(entries[1]), "bbox")
        judge.evaluate()
        judge.accumulate()
    expected = judge.eval["precision"][:, :, :, 0, 2].mean(1).T  # thresholds, recalls, classes, areas, most
    np.testing.assert_allclose(average_precisions(detections, truth, 3), expected, atol=1e-6)


def test_the_focal_loss_is_smallest_where_the_mean_of_the_two_bins_is_the_distance() -> None:
    distance = torch.tensor([3.25])
    logits = torch.zeros(1, BINS, requires_grad=True)
    optimiser = torch.optim.LBFGS([logits], max_iter=200)

    def step() -> Tensor:
        optimiser.zero_grad()
        loss = distribution_focal_loss(logits, distance).sum()
        loss.backward()
        return loss

    optimiser.step(step)
    p = logits.detach().softmax(1)[0]
    assert p[3] == pytest.approx(0.75, abs=1e-2)
    assert p[4] == pytest.approx(0.25, abs=1e-2)


def test_the_boxes_of_cells_without_an_object_or_label_have_no_loss() -> None:
    random = torch.Generator().manual_seed(0)
    labels = load(Shapes(count=100)).train.labels[:4].clone()
    labels[2:] = -1
    outputs = torch.randn(4, GRID**2, 5 + BOX, generator=random, requires_grad=True)
    box_loss(outputs, labels).backward()
    assert outputs.grad is not None
    learned = outputs.grad[..., -BOX:].abs().sum(-1) > 0
    assert torch.equal(learned, (labels[..., 0] >= 0) & (labels[..., 0] != 4))
    assert (outputs.grad[..., :-BOX] == 0).all()
    assert box_loss(outputs, torch.full_like(labels, -1)) == 0


def test_the_score_of_the_cells_is_the_micro_average_precision_of_scikit_learn() -> None:
    from sklearn.metrics import average_precision_score

    random = torch.Generator().manual_seed(0)
    rows, labels = torch.randn(300, 4, generator=random), torch.randint(0, 4, (300,), generator=random)
    expected = average_precision_score(F.one_hot(labels, 4)[:, :3].flatten(), rows.softmax(1)[:, :3].flatten())
    assert Detection().score(rows, labels) == pytest.approx(expected, abs=1e-6)
    assert Detection().score(rows, torch.full((300,), 3)) == 0


def test_cells_in_which_neither_network_sees_an_object_do_not_count_as_agreement() -> None:
    rows = torch.eye(4)[[0, 1, 3, 3]]
    teacher = torch.eye(4)[[0, 2, 3, 1]]
    assert Detection().agreement(rows, teacher) == pytest.approx(1 / 3)


def test_the_score_of_a_row_is_its_likeliest_object() -> None:
    assert object_scores(torch.tensor([[0.0, 9.0, -9.0], [0.0, 0.0, 9.0]])).tolist() == pytest.approx([1, 0], abs=2e-3)


@pytest.mark.slow
def test_every_network_of_a_run_learns_boxes_and_is_judged_by_its_precision() -> None:
    events = list(Trainer(from_flat({**SMALL, "method": "localisation"})))
    steps = [event for event in events if isinstance(event, Step)]
    assert all("boxes" in parts for event in steps for parts in event.parts.values())
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.test
    for metrics in finished.test.values():
        assert metrics["accuracy"] == metrics["ap50"] >= metrics["ap50_95"]
        assert metrics["examples"] == 0


def test_a_detector_is_refused_for_classes_and_other_networks_for_boxes() -> None:
    with pytest.raises(ValueError, match="output per cell"):
        from_flat({**SMALL, "dataset": "digits"})
    with pytest.raises(ValueError, match="output per example"):
        from_flat({**SMALL, "student": "cnn"})


@pytest.mark.slow
def test_images_without_labels_teach_what_the_teacher_sees_in_them() -> None:
    events = list(Trainer(from_flat({**SMALL, "scheme": "unlabelled", "labelled": "20", "method": "localisation"})))
    step = next(event for event in events if isinstance(event, Step) and "student" in event.parts)
    assert step.parts["student"]["T²·KL of box sides"][0] > 0


def test_the_layers_of_a_detector_give_the_boxes_and_the_classes_of_its_output() -> None:
    from kd_core.nn.hooks import record_features

    model = Detector(4)
    network = model.build((1, 48, 48), 5)
    with record_features(network, model.feature_layers()) as features, torch.no_grad():
        outputs = network(torch.randn(2, 1, 48, 48))
    assert torch.equal(outputs[..., -BOX:], features["boxes"])
    assert torch.equal(outputs[..., :5], features["class map"].flatten(2).transpose(1, 2))
    assert features["neck"].shape[2:] == (GRID, GRID)
