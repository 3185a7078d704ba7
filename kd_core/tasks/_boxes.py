"""Boxes of a grid of cells, as distributions over bins, and the average precision of detections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

CELL_PIXELS = 4  # along each side of a cell
BINS = 17  # of the distribution of one side, as in the code of Li et al. 2020
SIDES = ("left", "top", "right", "bottom")  # of a box, in the order of their distributions
BOX = len(SIDES) * BINS  # numbers per cell
REACH = 0.54  # distance of the last bin from the centre of a cell; lengths are fractions of the image's side
BIN = REACH / (BINS - 1)  # between two bins
CENTRAL = 0.3  # half the part of a box, as a fraction of its sides, whose cells predict it
LEAST_SCORE = 0.05  # of a detection
OVERLAP = 0.5  # IoU from which the weaker of two detections of a class is dropped
MOST = 50  # detections per image
THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))  # of the IoU, as in COCO
RECALLS = np.linspace(0, 1, 101)  # at which COCO reads the precision


@dataclass(frozen=True)
class Detections:
    """Boxes (n, 4) as x0 y0 x1 y1 with classes (n,) and scores (n,) of one image, the best first.

    ``cells`` (n,) predicted them; empty for true boxes.
    """

    boxes: Tensor
    classes: Tensor
    scores: Tensor
    cells: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.long))


def centres(cells: int) -> Tensor:
    """Return the centres (cells, 2) of a square grid of cells, x and y, row by row."""
    grid = round(cells**0.5)
    places = (torch.arange(grid) + 0.5) / grid
    y, x = torch.meshgrid(places, places, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], 1)


def sides_of(logits: Tensor) -> Tensor:
    """Return the logits (..., 4 · BINS) of boxes by side, (..., 4, BINS)."""
    return logits.reshape(*logits.shape[:-1], len(SIDES), BINS)


def encode(boxes: Tensor) -> Tensor:
    """Return boxes (..., cells, 4) as distances of their sides from the cells' centres, in bins, within the range."""
    middle = centres(boxes.shape[-2]).to(boxes)
    distances = torch.cat([middle - boxes[..., :2], boxes[..., 2:] - middle], -1)
    return (distances / BIN).clamp(0, BINS - 1 - 1e-3)


def decode(logits: Tensor) -> Tensor:
    """Return distributions (..., cells, 4 · BINS) as boxes (..., cells, 4), each side at its mean bin."""
    bins = torch.arange(BINS, dtype=logits.dtype, device=logits.device)
    distances = (sides_of(logits).softmax(-1) * bins).sum(-1) * BIN
    middle = centres(logits.shape[-2]).to(distances)
    return torch.cat([middle - distances[..., :2], middle + distances[..., 2:]], -1)


def cell_of(boxes: Tensor, cells: int) -> Tensor:
    """Return the cell (...) that holds the centre of each box (..., 4)."""
    grid = round(cells**0.5)
    places: Tensor = ((boxes[..., :2] + boxes[..., 2:]) / 2 * grid).long().clamp(0, grid - 1)
    cell: Tensor = places[..., 1] * grid + places[..., 0]
    return cell


def overlaps(first: Tensor, second: Tensor) -> Tensor:
    """Return the intersection over union (n, m) of boxes (n, 4) and (m, 4)."""
    from torchvision.ops import box_iou  # slow to import

    result: Tensor = box_iou(first, second)
    return result


def paired_overlaps(first: Tensor, second: Tensor) -> Tensor:
    """Return the intersection over union (n,) of each box (n, 4) and its partner."""
    common = (torch.minimum(first, second)[:, 2:] - torch.maximum(first, second)[:, :2]).clamp(min=0).prod(1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (first, second)]
    return common / (areas[0] + areas[1] - common)


def assign(boxes: Tensor, classes: Tensor, cells: int, background: int) -> Tensor:
    """Return the labels (cells, 5) of one image, class and box of each cell; the background has no box.

    A box belongs to the cells whose centres lie in its central part, and to the one that holds its centre. Where
    several boxes claim a cell the smallest has it. Tian et al., "FCOS" (2019), section 3, with central sampling.
    """
    labels = torch.zeros(cells, 5)
    labels[:, 0] = background
    middle, owners = centres(cells), cell_of(boxes, cells)
    sizes = boxes[:, 2:] - boxes[:, :2]
    for index in sizes.prod(1).argsort(descending=True).tolist():
        centre = (boxes[index, :2] + boxes[index, 2:]) / 2
        is_central = ((middle - centre).abs() <= CENTRAL * sizes[index]).all(1)
        is_central[owners[index]] = True
        labels[is_central, 0] = float(classes[index])
        labels[is_central, 1:] = boxes[index]
    return labels


def true_boxes(labels: Tensor, background: int) -> list[Detections]:
    """Return the boxes of labels (B, cells, 5) by image, each once, with score 1."""
    result = []
    for cells in labels.cpu():
        objects = cells[(cells[:, 0] >= 0) & (cells[:, 0] != background)].unique(dim=0)
        result.append(Detections(objects[:, 1:], objects[:, 0].long(), torch.ones(len(objects))))
    return result


def object_scores(rows: Tensor) -> Tensor:
    """Return the probability of the likeliest class but the background, the last one, of rows of logits (N, K + 1)."""
    return rows.softmax(-1)[..., :-1].amax(-1)


def propose(outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the boxes (B, cells, 4), scores and classes (B, cells) of outputs (B, cells, K + 1 + 4 · BINS).

    Every cell proposes its likeliest class but the background, with its probability.
    """
    scores, classes = outputs[..., :-BOX].softmax(-1)[..., :-1].max(-1)
    return decode(outputs[..., -BOX:]).clamp(0, 1), scores, classes


def detect(outputs: Tensor) -> list[Detections]:
    """Return the detections of outputs (B, cells, K + 1 + 4 · BINS) by image, without duplicates (NMS)."""
    from torchvision.ops import batched_nms  # slow to import

    boxes, scores, classes = propose(outputs.float().cpu())
    result = []
    for image in range(len(outputs)):
        rows = (scores[image] >= LEAST_SCORE).nonzero().flatten()
        remaining = rows[batched_nms(boxes[image, rows], scores[image, rows], classes[image, rows], OVERLAP)[:MOST]]
        result.append(
            Detections(boxes[image, remaining], classes[image, remaining], scores[image, remaining], remaining)
        )
    return result


def average_precisions(detections: Sequence[Detections], truth: Sequence[Detections], classes: int) -> np.ndarray:
    """Return the average precision (classes, thresholds) at each IoU of :data:`THRESHOLDS`, NaN without an object.

    The precision is read at 101 recalls, each the best at that recall or a higher one, as in COCO (Lin et al. 2014).
    """
    from sklearn.metrics import precision_recall_curve  # slow to import

    result = np.full((classes, len(THRESHOLDS)), np.nan)
    common = [overlaps(one.boxes, true.boxes).numpy() for one, true in zip(detections, truth, strict=True)]
    for number in range(classes):
        objects = sum(int((image.classes == number).sum()) for image in truth)
        if not objects:
            continue
        matched = [_matches(*image, number) for image in zip(detections, truth, common, strict=True)]
        scores = np.concatenate([one for one, _ in matched])
        hits = np.concatenate([hit for _, hit in matched], axis=1)
        for place, hit in enumerate(hits):
            if not hit.any():
                result[number, place] = 0.0
                continue
            precision, recall, _ = precision_recall_curve(hit, scores)
            # From the best detection on; scikit-learn counts recall among the detections alone.
            precision, recall = precision[-2::-1], recall[-2::-1] * hit.sum() / objects
            best = np.maximum.accumulate(precision[::-1])[::-1]
            index = np.searchsorted(recall, RECALLS - 1e-9)
            result[number, place] = np.append(best, 0.0)[np.minimum(index, len(best))].mean()
    return result


def _matches(detected: Detections, true: Detections, iou: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores (n,) of the detections of a class in one image, and whether each is right (thresholds, n).

    From the best on, each takes the object with the largest ``iou`` (all detections, all objects) that is still free.
    """
    rows, objects = (detected.classes == number).numpy(), (true.classes == number).numpy()
    scores = detected.scores.double().numpy()[rows]
    hits = np.zeros((len(THRESHOLDS), len(scores)), dtype=bool)
    if len(scores) and objects.any():
        iou = iou[rows][:, objects]
        largest = iou.max(1)
        for place, threshold in enumerate(THRESHOLDS):
            free = np.ones(iou.shape[1], dtype=bool)
            for one in np.flatnonzero(largest >= threshold):  # the others are far from every object
                candidates = np.where(free, iou[one], -1.0)
                best = int(candidates.argmax())
                if candidates[best] >= threshold:
                    hits[place, one], free[best] = True, False
    return scores, hits


def distribution_focal_loss(logits: Tensor, distances: Tensor) -> Tensor:
    """Return the cross-entropy of box sides (N, BINS) with the two bins around each distance (N,), in nats, (N,).

    Li et al., "Generalized Focal Loss" (2020), equation 6.
    """
    low = distances.floor().long()
    part = distances - low
    log_q = logits.log_softmax(-1)
    below, above = (log_q.gather(-1, bins[..., None]).squeeze(-1) for bins in (low, low + 1))
    return -((1 - part) * below + part * above)
