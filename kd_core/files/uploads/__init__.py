"""Data that a user brings: a ZIP of class folders, or a CSV file of points or pixels.

Everything is checked before anything is kept, and what is kept is one compact file per upload. It holds ``inputs``,
images (N, C, H, W) uint8 or points (N, 2) float32, and ``labels`` (N,) int64, and was never a pickle.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import BinaryIO

import torch
from torch import Tensor

from kd_core.files.content_store import ContentStore
from kd_core.files.limits import DECODED, KEPT, LARGEST, SMALLEST, UPLOAD, RefusedError, printable, quoted
from kd_core.files.uploads import csv_dataset, decode, file_type, zip_images
from kd_core.files.uploads.class_names import ClassNames, check_counts
from kd_core.files.uploads.duplicates import first_occurrences

COLOURS = ("auto", "grey", "colour")
PIXELS = 32
EMPTY = "it holds no examples: give one per line."

_shelf = ContentStore("uploads")


@dataclass(frozen=True)
class Upload:
    """What is known of one upload without reading its examples."""

    id: str  # 32 hexadecimal digits, a digest of what is kept
    name: str  # of the file, as it was called first
    kind: str  # "images" or "points"
    classes: tuple[str, ...]
    counts: tuple[int, ...]  # examples of each class
    shape: tuple[int, ...]  # of one input: (C, H, W) or (2,)

    def __len__(self) -> int:
        return sum(self.counts)


def add(name: str, blob: bytes | BinaryIO, pixels: int = PIXELS, colour: str = "auto") -> Upload:
    """Recognises, checks and keeps a file called ``name``; the same one twice is kept once.

    Images of a ZIP become squares of ``pixels`` (8 to 224) per side: the short side resized with antialiasing, the
    middle cut out; those of a CSV keep their size. ``colour``: "grey" or "colour" for all images, "auto" grey if all
    are. A file object must be seekable; it is read from its beginning and not closed. Raises ValueError with one
    sentence that names the file and the place in it; nothing is kept then.
    """
    if isinstance(pixels, bool) or not isinstance(pixels, int) or not SMALLEST <= pixels <= LARGEST:
        raise ValueError(f"pixels = {pixels}: choose a whole number from {SMALLEST} to {LARGEST}.")
    if colour not in COLOURS:
        raise ValueError(f'colour = "{colour}": choose one of {", ".join(COLOURS)}.')
    called = printable(name)[-120:] or "upload"
    file = io.BytesIO(blob) if isinstance(blob, bytes) else blob
    try:
        file.seek(0, io.SEEK_END)
        if file.tell() > UPLOAD:
            raise RefusedError(f"it is larger than {UPLOAD / 1e9:g} GB: give a smaller file.")
        names = ClassNames()
        is_archive = file_type.is_archive(file)
        inputs, numbers = _images(file, names, pixels, colour) if is_archive else csv_dataset.read(file, names, colour)
        if not len(numbers):
            raise RefusedError(EMPTY)
        classes, labels = names.sort_and_relabel(numbers)
        check_counts(classes, labels, first_occurrences(inputs, labels))
        facts = {
            "kind": "points" if inputs.ndim == 2 else "images",
            "classes": json.dumps(classes),
            "counts": json.dumps(torch.bincount(labels, minlength=len(classes)).tolist()),
            "shape": json.dumps(list(inputs.shape[1:])),
        }
        key = _shelf.put({"inputs": inputs, "labels": labels}, facts, called)
    except RefusedError as error:
        raise ValueError(f"{called}: {error}") from error
    kept = find(key)
    assert kept is not None
    return kept


def _images(file: BinaryIO, names: ClassNames, pixels: int, colour: str) -> tuple[Tensor, Tensor]:
    """Of an archive: (N, C, S, S) uint8 and (N,) int64."""
    with zip_images.open_zip(file) as opened:  # closes no file that it did not open
        files = zip_images.entries(opened)
        for entry in files:  # before anything is unpacked
            names.number(entry.folder, f"folder {quoted(entry.folder)}")
        if len(files) * pixels * pixels * (1 if colour == "grey" else 3) > KEPT:
            raise RefusedError(
                f"{len(files):,} images of {pixels} × {pixels} pixels are too many: choose fewer pixels."
            )
        squares, labels, decoded = [], [], 0
        for entry, content in zip_images.contents(opened, files):
            square, size = decode.decode(content, entry.path, pixels)
            decoded += size
            if decoded > DECODED:
                raise RefusedError(
                    f"its images have more than {DECODED / 1e9:g} billion pixels in all: make them smaller."
                )
            squares.append(square)
            labels.append(names.number(entry.folder, entry.path))
    return torch.from_numpy(decode.stack_images(squares, colour)), torch.tensor(labels, dtype=torch.int64)


def find(key: str) -> Upload | None:
    """One upload, or None if there is none of that id on this machine, whatever ``key`` is."""
    facts = _shelf.metadata(key)
    if facts is None:
        return None
    try:
        classes, counts, shape = (tuple(json.loads(facts[fact])) for fact in ("classes", "counts", "shape"))
        return Upload(key, facts["name"], facts["kind"], classes, counts, shape)
    except (KeyError, ValueError, TypeError):  # somebody else's file
        return None


def list_all() -> list[Upload]:
    """All uploads on this machine, newest first."""
    return [upload for key in _shelf.ids() if (upload := find(key)) is not None]


def read(key: str) -> tuple[Tensor, Tensor]:
    """Inputs and labels of an upload. Raises ValueError where there is none of that id. Not to be written into."""
    tensors = _shelf.tensors(key)
    return tensors["inputs"], tensors["labels"]


def remove(key: str) -> None:
    """Forgets an upload; nothing happens where there is none. Raises ValueError for what is no id."""
    _shelf.remove(key)
