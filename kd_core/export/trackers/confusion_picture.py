"""Confusion matrices of the networks of a finished run as pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw

from kd_core.analysis.error_analysis import confusion
from kd_core.analysis.replay import TEST, open_replay
from kd_core.base.marks import SEQUENTIAL
from kd_core.store.store import Run, Store

CELL, MARGIN = 28, 64  # pixels of a cell, and of the names beside the cells
MOST_CLASSES = 30  # with more of them nothing in the picture can be read


def confusion_pictures(store: Store, run: Run) -> dict[str, NDArray[np.uint8]]:
    """Return one picture (H, W, 3) per network whose weights are stored, by role; rows are true classes."""
    if run.test is None:
        return {}
    try:
        replay = open_replay(store, run)
        logits = replay.logits(replay.snapshot_at(-1))
    except ValueError:  # no weights are stored, or not in a way that this installation can read
        return {}
    classes, labels = replay.data.classes, replay.splits[TEST].labels
    if len(classes) > MOST_CLASSES:
        return {}
    counts = {
        role: confusion(by_split[TEST].argmax(1), labels, len(classes)).tolist() for role, by_split in logits.items()
    }
    return {role: draw_confusion(matrix, classes) for role, matrix in counts.items()}


def draw_confusion(counts: list[list[int]], classes: tuple[str, ...] | list[str]) -> NDArray[np.uint8]:
    """Return the picture (H, W, 3) of a confusion matrix, dark for few and bright for many, with its numbers."""
    size = MARGIN + CELL * len(classes)
    picture = Image.new("RGB", (size, size), "white")
    draw, largest = ImageDraw.Draw(picture), max(1, *(count for row in counts for count in row))
    for row, (name, numbers) in enumerate(zip(classes, counts, strict=True)):
        middle = MARGIN + CELL * row + CELL // 2
        draw.text((MARGIN - 4, middle), name[:9], "black", anchor="rm")
        draw.text((middle, MARGIN - 4), name[:4], "black", anchor="mb")
        for column, count in enumerate(numbers):
            left, top = MARGIN + CELL * column, MARGIN + CELL * row
            shade = SEQUENTIAL[round(count / largest * (len(SEQUENTIAL) - 1))]
            draw.rectangle((left, top, left + CELL - 1, top + CELL - 1), shade)
            ink = "black" if sum(ImageColor.getrgb(shade)) > 3 * 128 else "white"
            draw.text((left + CELL // 2, top + CELL // 2), str(count), ink, anchor="mm")
    return np.asarray(picture)
