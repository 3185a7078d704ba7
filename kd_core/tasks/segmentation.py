"""Semantic segmentation, a class for every pixel of an image."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.base.events import Event, Predicted
from kd_core.tasks import Measure, Outputs, SplitData, Task
from kd_core.tasks._pictures import outputs_of_image, place_name, richest_image

PIXEL = "pixel"  # what has a row of logits
LOGITS_MAP = "logits map"  # layer with a map (K, H, W) of logits
FRAME = 2  # pixels between a pixel and the frame that shows where it is
MAX_SIDE = 64  # pixels of a mask in an event
NO_LABEL = 255  # class of a pixel without one, in a mask of bytes
NEAR = 1  # pixels between a true boundary and a predicted one that counts as the same


@dataclass(frozen=True)
class Segmentation(Task):
    title: ClassVar[str] = "Segmentation"
    summary: ClassVar[str] = "Every pixel of an image belongs to one class."
    outputs: ClassVar[str] = PIXEL
    row_noun: ClassVar[str] = "pixels"
    example_noun: ClassVar[str] = "images"
    score_title: ClassVar[str] = "mean IoU"
    counts_rows: ClassVar[bool] = False
    inspects_rows: ClassVar[bool] = True
    page: ClassVar[str] = "segmentation"
    hub_task: ClassVar[str] = "image-segmentation"
    script: ClassVar[str] = "predict.py"
    output_note: ClassVar[str] = "An output has the logits of the classes last, for every row and column of the image."
    answer_settings: ClassVar[Mapping[str, Any]] = {"mask": True}
    measures: ClassVar[tuple[Measure, ...]] = (
        Measure("pixel_accuracy", "Pixel accuracy", "%", meaning="Pixels with the right class; high for whoever "
            "finds the background."),
        Measure("boundary_recall", "Boundary recall", "%", meaning="Pixels on the boundary of an object that have a "
            "predicted boundary at most a pixel away."),
    )  # fmt: skip

    def score(self, rows: Tensor, labels: Tensor) -> float:
        return mean_iou(rows.argmax(1), labels, rows.shape[1])

    def decoded(self, outputs: Tensor) -> Mapping[str, Tensor]:
        """Return the class of every pixel (B, H, W)."""
        return {"mask": outputs.argmax(-1)}

    def row_inputs(self, inputs: Tensor, rows: Tensor) -> Tensor:
        """Return for each pixel its image (N, C, H, W) with a frame around that pixel."""
        height, width = inputs.shape[2:]
        framed = inputs[rows // (height * width)].clone()
        brightest = inputs.amax()
        for image, place in zip(framed, (rows % (height * width)).tolist(), strict=True):
            (top, left), (bottom, right) = (
                (min(max(place // width + step, 0), height - 1), min(max(place % width + step, 0), width - 1))
                for step in (-FRAME, FRAME)
            )
            image[:, [top, bottom], left : right + 1] = brightest
            image[:, top : bottom + 1, [left, right]] = brightest
        return framed

    def row_name(self, row: int, shape: Sequence[int]) -> str:
        return place_name("pixel", row, *shape[-2:])

    def details(
        self,
        position: tuple[str, int, int],
        networks: Mapping[str, nn.Module],
        teacher: tuple[str, nn.Module] | None,
        data: SplitData,
    ) -> Iterable[Event]:
        image, is_first = richest_image(data.validation.labels[..., None]), position[1] == 0
        outputs = outputs_of_image(image, networks, teacher, data, is_first=is_first)
        masks = {role: output.argmax(-1) for role, output in outputs.items()}
        if is_first:
            masks["labels"] = data.validation.labels[image].cpu()
        encoded = {role: encode_mask(mask, MAX_SIDE) for role, mask in masks.items()}
        (size, *_) = (size for size, _ in encoded.values())
        yield Predicted(*position, image, size, {role: classes for role, (_, classes) in encoded.items()}, {})

    def test_metrics(
        self,
        network: nn.Module,
        teacher: nn.Module | None,  # noqa: ARG002
        data: SplitData,
        outputs: Outputs,
    ) -> Mapping[str, Any]:
        masks, predicted = data.test.labels.cpu(), outputs(network).argmax(-1)
        has_label = masks >= 0
        return {
            "pixel_accuracy": (predicted == masks)[has_label].double().mean().item(),
            "boundary_recall": boundary_recall(predicted, masks),
        }


def encode_mask(mask: Tensor, max_side: int) -> tuple[list[int], str]:
    """Return the size of a mask (H, W) and its classes as bytes in base64.

    Of a mask with more than ``max_side`` pixels it has every second or third one.
    """
    step = -(-max(mask.shape) // max_side)
    small = torch.where(mask < 0, NO_LABEL, mask)[::step, ::step].to(torch.uint8).contiguous()
    return list(small.shape), base64.b64encode(small.numpy().tobytes()).decode()


def class_ious(predicted: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Return the intersection over union (K,) of predicted and true pixels (N,) by class, NaN where there are neither.

    Everingham et al., "The Pascal Visual Object Classes Challenge, a Retrospective" (2015), section 4.2.
    """
    pairs = torch.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes).double()
    both = pairs.diagonal()
    return both / (pairs.sum(0) + pairs.sum(1) - both)


def mean_iou(predicted: Tensor, labels: Tensor, classes: int) -> float:
    """Return the mean of :func:`class_ious` over the classes that occur."""
    return class_ious(predicted, labels, classes).nanmean().item()


def boundary_recall(predicted: Tensor, masks: Tensor) -> float:
    """Return the fraction of true boundary pixels with a predicted one within :data:`NEAR` pixels, in maps (N, H, W).

    Pixels without a label have no boundary. 1 where there is none at all. Ren & Malik (2003), as evaluated by Csurka et
    al., "What is a good evaluation measure for semantic segmentation?" (2013).
    """
    true = boundaries(masks)
    near = F.max_pool2d(boundaries(predicted).float()[:, None], 2 * NEAR + 1, stride=1, padding=NEAR)[:, 0] > 0
    return ((near & true).sum() / true.sum()).item() if bool(true.any()) else 1.0


def boundaries(masks: Tensor) -> Tensor:
    """Return which pixels (N, H, W) have a neighbour of another class to the right or below; -1 is no class."""
    result = torch.zeros_like(masks, dtype=torch.bool)
    for first, second in (
        (masks[:, :, :-1], masks[:, :, 1:]),
        (masks[:, :-1], masks[:, 1:]),
    ):
        differs = (first != second) & (first >= 0) & (second >= 0)
        result[:, : differs.shape[1], : differs.shape[2]] |= differs
    return result
