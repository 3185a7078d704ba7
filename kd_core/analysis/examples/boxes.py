"""Images with the boxes that the networks of a run find in them, and the distributions of their sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from kd_core.analysis.examples import thumbnails
from kd_core.base.devices import limit_threads
from kd_core.datasets import Data, Split
from kd_core.nn.inference import predict_logits
from kd_core.tasks._boxes import BINS, BOX, SIDES, Detections, cell_of, detect, overlaps, true_boxes

SEARCHED = 200  # images among which those with the largest differences are chosen
SCORE, OVERLAP = 0.5, 0.5  # of a box that counts as found
DECIMALS = 3


def choose_images(detected: Mapping[str, Sequence[Detections]], truth: Sequence[Detections], count: int) -> list[int]:
    """Return the images with the most objects that the teacher found and the student missed, at most ``count``.

    Without a teacher they are the first ones.
    """
    if not {"teacher", "student"} <= detected.keys():
        return list(range(min(count, len(truth))))
    missed = []
    for image, true in enumerate(truth):
        teacher, student = (set(found_objects(detected[role][image], true)) for role in ("teacher", "student"))
        missed.append(len(teacher - student))
    return sorted(range(len(truth)), key=lambda image: (-missed[image], image))[:count]


def found_objects(detected: Detections, true: Detections, score: float = SCORE) -> list[int]:
    """Return which objects of an image have a box of their class with this score and an IoU of a half."""
    rows = detected.scores >= score
    same = detected.classes[rows][:, None] == true.classes
    overlap = torch.where(same, overlaps(detected.boxes[rows], true.boxes), 0.0)
    return [number for number in range(len(true.boxes)) if bool((overlap[:, number] >= OVERLAP).any())]


def scenes(networks: Mapping[str, nn.Module], split: Split, data: Data, count: int) -> list[dict[str, Any]]:
    """Return images of a split, each with its true boxes and those of every network, for the browser.

    ``sides`` has, by cell and network, the logits of the four sides, of every cell that has a box in the image.
    ``networks`` are by part; "teacher" and "student" decide which images are chosen.
    """
    searched, background = Split(split.inputs[:SEARCHED], split.labels[:SEARCHED]), len(data.classes) - 1
    with limit_threads():
        outputs = {part: predict_logits(one, searched.inputs).cpu() for part, one in networks.items()}
        detected = {part: detect(each) for part, each in outputs.items()}
    truth = true_boxes(searched.labels, background)
    result = []
    for image in choose_images(detected, truth, count):
        cells = next(iter(outputs.values())).shape[1]
        entry: dict[str, Any] = {
            "number": image,
            "src": thumbnails.of_input(data, searched.inputs[image : image + 1]),
            "truth": _boxes(truth[image], cells),
            "found": {part: _boxes(each[image], cells) for part, each in detected.items()},
        }
        named = {box["cell"] for boxes in (entry["truth"], *entry["found"].values()) for box in boxes}
        entry["sides"] = {
            cell: {part: _sides(each[image, cell]) for part, each in outputs.items()} for cell in sorted(named)
        }
        result.append(entry)
    return result


def _boxes(detections: Detections, cells: int) -> list[dict[str, Any]]:
    owners = detections.cells.tolist() if len(detections.cells) else cell_of(detections.boxes, cells).tolist()
    return [
        {"box": [round(side, DECIMALS) for side in box], "class": number, "score": round(score, DECIMALS), "cell": cell}
        for box, number, score, cell in zip(
            detections.boxes.tolist(), detections.classes.tolist(), detections.scores.tolist(), owners, strict=True
        )
    ]


def _sides(output: Tensor) -> list[list[float]]:
    """Return the logits (4, BINS) of the sides in the output of one cell, less their maximum."""
    logits = output[-BOX:].reshape(len(SIDES), BINS)
    return [[round(value, 2) for value in row] for row in (logits - logits.amax(1, keepdim=True)).tolist()]
