"""Images with boxes as what is stored of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
import torch
from torch import Tensor

from kd_core.base.seeds import generator
from kd_core.files.limits import MAX_DECODED_PIXELS, MAX_STORED_BYTES, RefusedError, quoted
from kd_core.files.uploads import decode, splits
from kd_core.files.uploads.folders.annotations import MOST_CLASSES, Annotations, Box
from kd_core.files.uploads.understanding import PIXELS, SPLITS, Choices, LeftOut, Understanding, refuse_without
from kd_core.files.uploads.zip_images import DamagedError

FEWEST = 20  # images
MULTIPLE, DEFAULT_PIXELS = 8, 64  # of the side of an image
THUMBNAILS = 12


def understand(name: str, read: object, annotations: Annotations, choices: Choices) -> Understanding:
    """Return images with boxes as they would be stored.

    ``read`` returns the content of a file by its path. Tensors are ``inputs`` (N, C, S, S), ``splits`` (N,), and of
    each object its class in ``labels`` (M,), its image in ``owners`` (M,) and its corners in ``boxes`` (M, 4).

    Raises:
        RefusedError: There are too few images or no boxes.
    """
    assert callable(read)
    left_out = list(annotations.left_out)
    side = DEFAULT_PIXELS if choices.pixels == PIXELS else max(MULTIPLE, choices.pixels // MULTIPLE * MULTIPLE)
    if len(annotations.boxes) * side * side * (1 if choices.colour == "grey" else 3) > MAX_STORED_BYTES:
        raise RefusedError(f"{len(annotations.boxes):,} images of {side} × {side} pixels are too many: choose fewer.")
    paths, squares, decoded = [], [], 0
    for path in sorted(annotations.boxes):
        try:
            square, size = decode.decode(read(path), path, side, is_stretched=True)
        except (RefusedError, DamagedError) as error:
            left_out.append(LeftOut(path, str(error)))
            continue
        decoded += size
        if decoded > MAX_DECODED_PIXELS:
            raise RefusedError("its images have too many pixels in all: make them smaller.")
        paths.append(path)
        squares.append(square)
    objects = [(number, box) for number, path in enumerate(paths) for box in annotations.boxes[path]]
    wanted = dict(choices.names)
    classes = tuple(sorted({wanted.get(box.name, box.name) for _, box in objects}))
    if not objects:
        raise RefusedError(left_out[0].reason if left_out else "it has no boxes in its images: add annotations.")
    refuse_without(len(objects), left_out)
    if len(paths) < FEWEST:
        raise RefusedError(f"it has {len(paths)} images with boxes that can be used: give at least {FEWEST}.")
    if len(classes) > MOST_CLASSES:
        raise RefusedError(f"it has {len(classes):,} classes of objects: give at most {MOST_CLASSES}.")
    inputs = torch.from_numpy(decode.stack_images(squares, choices.colour))
    split, stated, across = _splits(inputs, paths)
    owners = torch.tensor([number for number, _ in objects])
    labels = torch.tensor([classes.index(wanted.get(box.name, box.name)) for _, box in objects])
    notes = [f"{len(paths):,} images of {side} × {side} pixels; those that are not square are stretched."]
    if empty := len(paths) - len(set(owners.tolist())):
        notes.append(f"{empty:,} images have no object, and are kept as such.")
    if annotations.clipped:
        notes.append(f"{annotations.clipped:,} boxes were cut at the edge of their image.")
    understanding = Understanding(
        name, annotations.format, "boxes", choices, left_out=tuple(left_out), notes=tuple(notes), classes=classes,
        given_splits=stated, across=across,
        counts={
            part: tuple(torch.bincount(labels[split[owners] == number], minlength=len(classes)).tolist())
            for number, part in enumerate(SPLITS)
        },
        tensors={
            "inputs": inputs, "labels": labels, "splits": split.to(torch.uint8), "owners": owners,
            "boxes": torch.tensor([box.corners for _, box in objects], dtype=torch.float32),
        },
    )  # fmt: skip
    return replace(understanding, thumbnails=tuple(_thumbnails(squares, objects)))


def _splits(inputs: Tensor, paths: Sequence[str]) -> tuple[Tensor, tuple[str, ...], int]:
    """Return the split (N,) of each image, which splits their folders give, and how many copies were moved."""
    stated = [_stated(path) for path in paths]
    first = splits.first_occurrences(inputs)
    by_folder = torch.tensor([splits.TRAIN if number is None else number for number in stated])
    has_splits = splits.TRAIN in stated and len(set(stated) - {None}) > 1
    missing = [number for number in (splits.TEST, splits.VALIDATION) if not has_splits or number not in stated]
    drawn = splits.draw(
        first, torch.zeros_like(first), generator(0, "upload"), missing, by_folder if has_splits else None
    )  # fmt: skip
    names = tuple(part for number, part in enumerate(SPLITS) if has_splits and number in stated)
    return drawn, names, int((drawn != by_folder).sum()) if has_splits and not missing else 0


def _stated(path: str) -> int | None:
    """Return the split that a folder on the way to a file names."""
    folders = [part.lower() for part in PurePosixPath(path).parts[:-1]]
    return next((splits.FOLDERS[part] for part in folders if part in splits.FOLDERS), None)


def _thumbnails(squares: Sequence[decode.Pixels], objects: Sequence[tuple[int, Box]]) -> list[tuple[str, np.ndarray]]:
    """Return the first images with their boxes, each with the name of its first object."""
    by_image: dict[int, list[Box]] = {}
    for number, box in objects:
        by_image.setdefault(number, []).append(box)
    result = []
    for number, boxes in list(by_image.items())[:THUMBNAILS]:
        picture = np.array(squares[number])
        last = len(picture) - 1
        for box in boxes:
            x0, y0, x1, y1 = (min(last, round(value * len(picture))) for value in box.corners)
            for rows, columns in ((y0, slice(x0, x1 + 1)), (y1, slice(x0, x1 + 1)),
                                  (slice(y0, y1 + 1), x0), (slice(y0, y1 + 1), x1)):  # fmt: skip
                picture[rows, columns] = 255
        result.append((quoted(boxes[0].name).strip('"'), picture))
    return result
