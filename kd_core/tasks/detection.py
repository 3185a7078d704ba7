"""Detection, the class of every cell of a grid over an image and the box of its object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.base.events import Event, Predicted
from kd_core.base.metrics import fraction
from kd_core.tasks import Measure, Outputs, SplitData, Task
from kd_core.tasks._boxes import (
    BOX,
    CELL_PIXELS,
    MOST,
    OVERLAP,
    Detections,
    average_precisions,
    decode,
    detect,
    distribution_focal_loss,
    encode,
    paired_overlaps,
    propose,
    sides_of,
    true_boxes,
)
from kd_core.tasks._pictures import outputs_of_image, place_name, richest_image

CELL = "cell of a grid"  # what has a row of logits
BACKGROUND = "background"  # the last class
DRAWN_SCORE = 0.3  # of a box that is drawn while a network trains
DFL_WEIGHT = 0.25  # of the distributions beside the overlap of the boxes


@dataclass(frozen=True)
class Detection(Task):
    """Objects in images, found by a grid of cells.

    A network returns (B, cells, K + 1 + 4 · BINS): logits of the classes, of which the last is the background, and the
    four sides of a box as distributions over bins. Labels (B, cells, 5) are a class and the corners of a box,
    x0 y0 x1 y1 as fractions of the image's side.
    """

    title: ClassVar[str] = "Detection"
    summary: ClassVar[str] = "Objects in an image are found, each with its class and a box around it."
    outputs: ClassVar[str] = CELL
    row_noun: ClassVar[str] = "cells"
    example_noun: ClassVar[str] = "images"
    score_title: ClassVar[str] = "AP50"
    row_score_title: ClassVar[str] = "precision of the cells"
    counts_rows: ClassVar[bool] = False
    inspects_rows: ClassVar[bool] = True
    page: ClassVar[str] = "detection"
    hub_task: ClassVar[str] = "object-detection"
    script: ClassVar[str] = "predict.py"
    output_note: ClassVar[str] = (
        "An output has for every cell of the grid the logits of the classes, the background last, and those of 17 "
        "distances of the left, top, right and bottom side from the centre of the cell. Boxes are x0 y0 x1 y1 as "
        "fractions of the image; of those of one class that overlap by half, only the one with the best score counts."
    )
    answer_settings: ClassVar[Mapping[str, Any]] = {"boxes": {"overlap": OVERLAP, "most": MOST}}
    is_stretched: ClassVar[bool] = True
    measures: ClassVar[tuple[Measure, ...]] = (
        Measure(
            "ap50", "AP50", "%",
            meaning="Average precision where a box counts as right if it overlaps the true one by half (IoU 0.5).",
        ),
        Measure(
            "ap50_95", "AP50-95", "%",
            meaning="The same, averaged over ten overlaps from 0.5 to 0.95, so that exact boxes count more.",
        ),
        Measure("box_overlap", "Overlap of the boxes", "%", meaning="Mean IoU of the boxes in the cells of objects."),
    )  # fmt: skip

    def rows(self, outputs: Tensor) -> Tensor:
        return outputs[..., :-BOX].flatten(0, -2)

    def row_labels(self, labels: Tensor) -> Tensor:
        return labels[..., 0].flatten().long()

    def row_inputs(self, inputs: Tensor, rows: Tensor) -> Tensor:
        """Return the images of these cells."""
        cells = (inputs.shape[-2] // CELL_PIXELS) * (inputs.shape[-1] // CELL_PIXELS)
        return inputs[rows // cells]

    def row_name(self, row: int, shape: Sequence[int]) -> str:
        return place_name("cell", row, *(side // CELL_PIXELS for side in shape[-2:]))

    def score(self, rows: Tensor, labels: Tensor) -> float:
        """Return the average precision of the classes of the cells, which costs a hundredth of that of the boxes.

        Each cell claims each class with its probability; claims are sorted over all cells and classes.
        """
        claims = rows.softmax(1)[:, :-1]
        is_right = F.one_hot(labels, rows.shape[1])[:, :-1].bool()
        hits = is_right.flatten()[claims.flatten().argsort(descending=True)]
        if not hits.any():
            return 0.0
        precision = hits.cumsum(0) / torch.arange(1, len(hits) + 1)
        return precision[hits].mean().item()

    def chance(self, labels: Tensor) -> float:  # noqa: ARG002
        """Return the average precision without any box."""
        return 0.0

    def agreement(self, rows: Tensor, teacher_rows: Tensor) -> float:
        """Return the fraction of the cells in which either network sees an object and both name the same class."""
        background = rows.shape[1] - 1
        student, teacher = rows.argmax(1), teacher_rows.argmax(1)
        sees_object = (student != background) | (teacher != background)
        return fraction(student[sees_object] == teacher[sees_object]) if bool(sees_object.any()) else 1.0

    def decoded(self, outputs: Tensor) -> Mapping[str, Tensor]:
        """Return the box (B, cells, 4), the score and the class (B, cells) that every cell proposes."""
        return dict(zip(("boxes", "scores", "classes"), propose(outputs), strict=True))

    def further_losses(self, outputs: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
        """Return the loss of the boxes, summed over the cells of objects and divided by the number of labelled cells.

        It is 1 - GIoU (Rezatofighi et al. 2019) and the distribution focal loss of the sides (Li et al. 2020).
        """
        return {"boxes": box_loss(outputs, labels)}

    def details(
        self,
        position: tuple[str, int, int],
        networks: Mapping[str, nn.Module],
        teacher: tuple[str, nn.Module] | None,
        data: SplitData,
    ) -> Iterable[Event]:
        image, is_first = richest_image(data.validation.labels), position[1] == 0
        outputs = outputs_of_image(image, networks, teacher, data, is_first=is_first)
        detections = {role: detect(output[None])[0] for role, output in outputs.items()}
        if is_first:
            detections["labels"] = true_boxes(data.validation.labels[image : image + 1], len(data.classes) - 1)[0]
        yield Predicted(*position, image, [], {}, {role: _drawn_boxes(one) for role, one in detections.items()})

    def test_metrics(
        self,
        network: nn.Module,
        teacher: nn.Module | None,  # noqa: ARG002
        data: SplitData,
        outputs: Outputs,
    ) -> Mapping[str, Any]:
        return measure(outputs(network), data.test.labels)


def _drawn_boxes(detections: Detections) -> list[list[float]]:
    """Return class, score and corners of the boxes with a score of at least :data:`DRAWN_SCORE`, the best first."""
    return [
        [number, round(score, 3), *(round(side, 4) for side in box)]
        for number, score, box in zip(
            detections.classes.tolist(), detections.scores.tolist(), detections.boxes.tolist(), strict=True
        )
        if score >= DRAWN_SCORE
    ]


def box_loss(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the loss of the boxes in outputs (B, cells, K + 1 + 4 · BINS) with labels (B, cells, 5)."""
    from torchvision.ops import generalized_box_iou_loss  # slow to import

    classes = outputs.shape[-1] - BOX
    is_labelled = labels[..., 0] >= 0
    is_object = is_labelled & (labels[..., 0] != classes - 1)
    logits, boxes = outputs[..., -BOX:].float(), labels[..., 1:]
    focal = distribution_focal_loss(sides_of(logits[is_object]), encode(boxes)[is_object]).mean(-1)
    overlap: Tensor = generalized_box_iou_loss(decode(logits)[is_object], boxes[is_object])
    return (overlap + DFL_WEIGHT * focal).sum() / is_labelled.sum().clamp(min=1)


def measure(outputs: Tensor, labels: Tensor) -> dict[str, float]:
    """Return the measures of outputs (N, cells, K + 1 + 4 · BINS) with labels (N, cells, 5)."""
    background = outputs.shape[-1] - BOX - 1
    precisions = average_precisions(detect(outputs), true_boxes(labels, background), background)
    is_object = (labels[..., 0] >= 0) & (labels[..., 0] != background)
    decoded = decode(outputs[..., -BOX:])[is_object]
    overlap = paired_overlaps(decoded, labels[..., 1:][is_object])
    ap50 = float(np.nanmean(precisions[:, 0]))
    return {
        "accuracy": ap50,
        "ap50": ap50,
        "ap50_95": float(np.nanmean(precisions)),
        "box_overlap": float(overlap.mean()) if len(overlap) else 0.0,
    }
