"""Import of a user's ZIP or CSV file as a data set.

A file is checked completely before anything is stored. Each upload is stored as one safetensors file with ``inputs``,
images (N, C, H, W) uint8 or points (N, 2) float32, and ``labels`` (N,) int64. No pickle is ever loaded.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import BinaryIO

import torch
from torch import Tensor

from kd_core.files.content_store import ContentStore
from kd_core.files.limits import (
    LARGEST,
    MAX_DECODED_PIXELS,
    MAX_STORED_BYTES,
    MAX_UPLOAD_BYTES,
    SMALLEST,
    RefusedError,
    printable,
    quoted,
)
from kd_core.files.uploads import csv_dataset, decode, file_type, zip_images
from kd_core.files.uploads.class_names import ClassNames, check_counts
from kd_core.files.uploads.duplicates import first_occurrences

COLOURS = ("auto", "grey", "colour")
PIXELS = 32

_store = ContentStore("uploads")


@dataclass(frozen=True)
class Upload:
    """Description of one upload, without its examples."""

    id: str  # 32 hexadecimal digits, a digest of the content
    name: str  # of the file when it was first uploaded
    kind: str  # "images" or "points"
    classes: tuple[str, ...]
    counts: tuple[int, ...]  # examples of each class
    shape: tuple[int, ...]  # of one input: (C, H, W) or (2,)

    def __len__(self) -> int:
        return sum(self.counts)


def add(name: str, blob: bytes | BinaryIO, pixels: int = PIXELS, colour: str = "auto") -> Upload:
    """Check and store a file; the same content is stored once.

    Args:
        name: Name of the file.
        blob: Its content. A file object must be seekable; it is read from its beginning and not closed.
        pixels: Side of the images of a ZIP, 8 to 224: the short side is resized to it with antialiasing, and the middle
            square cut out. Images of a CSV file keep their size.
        colour: "grey" or "colour" for all images; "auto" is grey if all of them are.

    Raises:
        ValueError: The file is refused, in one sentence that names it and the place in it; nothing is stored.
    """
    if isinstance(pixels, bool) or not isinstance(pixels, int) or not SMALLEST <= pixels <= LARGEST:
        raise ValueError(f"pixels = {pixels}: choose a whole number from {SMALLEST} to {LARGEST}.")
    if colour not in COLOURS:
        raise ValueError(f'colour = "{colour}": choose one of {", ".join(COLOURS)}.')
    file_name = printable(name)[-120:] or "upload"
    file = io.BytesIO(blob) if isinstance(blob, bytes) else blob
    try:
        file.seek(0, io.SEEK_END)
        if file.tell() > MAX_UPLOAD_BYTES:
            raise RefusedError(f"it is larger than {MAX_UPLOAD_BYTES / 1e9:g} GB: give a smaller file.")
        names = ClassNames()
        is_archive = file_type.is_archive(file)
        inputs, numbers = _images(file, names, pixels, colour) if is_archive else csv_dataset.read(file, names, colour)
        if not len(numbers):
            raise RefusedError("it holds no examples: give one per line.")
        classes, labels = names.sort_and_relabel(numbers)
        check_counts(classes, labels, first_occurrences(inputs, labels))
        metadata = {
            "kind": "points" if inputs.ndim == 2 else "images",
            "classes": json.dumps(classes),
            "counts": json.dumps(torch.bincount(labels, minlength=len(classes)).tolist()),
            "shape": json.dumps(list(inputs.shape[1:])),
        }
        key = _store.put({"inputs": inputs, "labels": labels}, metadata, file_name)
    except RefusedError as error:
        raise ValueError(f"{file_name}: {error}") from error
    upload = find(key)
    assert upload is not None
    return upload


def _images(file: BinaryIO, names: ClassNames, pixels: int, colour: str) -> tuple[Tensor, Tensor]:
    """Return the images (N, C, S, S) uint8 and labels (N,) int64 of a ZIP archive."""
    with zip_images.open_zip(file) as archive:  # leaves a file open that it did not open itself
        entries = zip_images.entries(archive)
        for entry in entries:  # before anything is unpacked
            names.number(entry.folder, f"folder {quoted(entry.folder)}")
        if len(entries) * pixels * pixels * (1 if colour == "grey" else 3) > MAX_STORED_BYTES:
            raise RefusedError(
                f"{len(entries):,} images of {pixels} × {pixels} pixels are too many: choose fewer pixels."
            )
        squares, labels, decoded_pixels = [], [], 0
        for entry, content in zip_images.contents(archive, entries):
            square, size = decode.decode(content, entry.path, pixels)
            decoded_pixels += size
            if decoded_pixels > MAX_DECODED_PIXELS:
                raise RefusedError(
                    f"its images have more than {MAX_DECODED_PIXELS / 1e9:g} billion pixels in all: make them smaller."
                )
            squares.append(square)
            labels.append(names.number(entry.folder, entry.path))
    return torch.from_numpy(decode.stack_images(squares, colour)), torch.tensor(labels, dtype=torch.int64)


def find(key: str) -> Upload | None:
    """Return the upload with this id, or None if there is none on this machine."""
    metadata = _store.metadata(key)
    if metadata is None:
        return None
    try:
        classes, counts, shape = (tuple(json.loads(metadata[name])) for name in ("classes", "counts", "shape"))
        return Upload(key, metadata["name"], metadata["kind"], classes, counts, shape)
    except (KeyError, ValueError, TypeError):  # not written by this module
        return None


def list_all() -> list[Upload]:
    """Return all uploads on this machine, newest first."""
    return [upload for key in _store.ids() if (upload := find(key)) is not None]


def read(key: str) -> tuple[Tensor, Tensor]:
    """Return the inputs and labels of an upload, not to be written into. Raises ValueError for an unknown id."""
    tensors = _store.tensors(key)
    return tensors["inputs"], tensors["labels"]


def remove(key: str) -> None:
    """Remove an upload if it is there. Raises ValueError for anything but an id."""
    _store.remove(key)
