"""Maps that the stored networks of a run predict for one image, beside its mask."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from torch import Tensor

from kd_core.analysis.examples import thumbnails
from kd_core.analysis.replay import VALIDATION, Replay, WeightSnapshot
from kd_core.base.devices import limit_threads
from kd_core.nn.inference import predict_logits
from kd_core.tasks.segmentation import encode_mask, mean_iou

MAX_IMAGES = 40  # of a split that can be chosen
MAX_SIDE = 128  # pixels of a map; every second or third one of a larger image is shown


def choices(replay: Replay) -> dict[str, Any]:
    """Return the images that can be chosen, as a sprite sheet."""
    return asdict(thumbnails.sheet(replay.data, _split(replay).inputs[:MAX_IMAGES]))


def scores(replay: Replay, snapshot: WeightSnapshot, roles: Sequence[str]) -> dict[str, list[float]]:
    """Return by role the mean IoU of each image that can be chosen, over the classes in its mask or prediction."""
    masks = _split(replay).labels[:MAX_IMAGES]
    return {
        role: [_image_iou(maps, mask, len(replay.data.classes)) for maps, mask in zip(logits, masks, strict=True)]
        for role, logits in _logits(replay, snapshot, roles).items()
    }


def pixel_maps(replay: Replay, snapshot: WeightSnapshot, image: int, roles: Sequence[str]) -> dict[str, Any]:
    """Return an image as a data URI, its mask (H, W) of bytes and the logits (H, W, K) by role, in base64."""
    split = _split(replay)
    mask = split.labels[image]
    (height, width), classes = encode_mask(mask, MAX_SIDE)
    step = -(-max(mask.shape) // MAX_SIDE)
    return {
        "src": thumbnails.of_input(replay.data, split.inputs[image : image + 1]),
        "size": [width, height],
        "mask": classes,
        "logits": {
            role: base64.b64encode(maps[image][::step, ::step].contiguous().numpy().tobytes()).decode()
            for role, maps in _logits(replay, snapshot, roles).items()
        },
    }


def most_telling(scores: Mapping[str, Sequence[float]], student: str, control: str) -> int:
    """Return the image on which the student leads most over the control; the first one without these networks."""
    if student not in scores or control not in scores:
        return 0
    leads = [first - second for first, second in zip(scores[student], scores[control], strict=True)]
    return leads.index(max(leads))


def _split(replay: Replay) -> Any:
    return replay.data.validation if replay.visible_split == VALIDATION else replay.data.test


def _logits(replay: Replay, snapshot: WeightSnapshot, roles: Sequence[str]) -> dict[str, Tensor]:
    inputs = _split(replay).inputs[:MAX_IMAGES]
    with limit_threads():
        return {
            role: predict_logits(network, inputs)
            for role, network in replay.networks(snapshot).items()
            if role in roles
        }


def _image_iou(logits: Tensor, mask: Tensor, classes: int) -> float:
    has_label = mask >= 0
    return mean_iou(logits.argmax(-1)[has_label], mask[has_label], classes) if bool(has_label.any()) else 0.0
