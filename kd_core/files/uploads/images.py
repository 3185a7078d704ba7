"""Images, or texts, of class folders, from a ZIP archive or a folder on a disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol
from zipfile import ZipFile, ZipInfo

import numpy as np
import torch

from kd_core.files import text as text_files
from kd_core.files.limits import (
    MAX_CLASSES,
    MAX_DECODED_PIXELS,
    MAX_STORED_BYTES,
    MAX_TEXT,
    MAX_UNPACKED_BYTES,
    RefusedError,
    quoted,
)
from kd_core.files.uploads import decode
from kd_core.files.uploads.folders.image_list import READABLE, ImageFile, ImageList, is_litter, list_images
from kd_core.files.uploads.understanding import Examples, LeftOut, refuse_without
from kd_core.files.uploads.zip_images import DamagedError, unpack

BATCH_FILES, BATCH_BYTES = 64, 32_000_000  # held in memory before they are decoded

Content = tuple[ImageFile, bytes | LeftOut]  # an image and its file, or the reason why it cannot be read


class Source(Protocol):
    """Files by path, with "/" between folders."""

    format: str
    files: list[str]
    folders: list[str]
    left_out: list[LeftOut]

    def read(self, path: str) -> bytes:
        """Return the content of a file. Raises DamagedError if it cannot be read, RefusedError beyond a limit."""
        ...


class ZipFiles:
    """Files of a ZIP archive, by its checked entries."""

    format = "ZIP archive of class folders"

    def __init__(self, archive: ZipFile, entries: dict[str, ZipInfo]) -> None:
        self.files = [path for path in entries if not path.endswith("/")]
        self.folders = [path.rstrip("/") for path in entries if path.endswith("/")]
        self.left_out: list[LeftOut] = []
        self._archive, self._entries, self._left = archive, entries, MAX_UNPACKED_BYTES

    def read(self, path: str) -> bytes:
        content = unpack(self._archive, path, self._entries[path], self._left)
        self._left -= len(content)
        return content


class FolderFiles:
    """Files of a folder on a disk, without those that a link finds outside of it."""

    format = "folder of class folders"

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self.files: list[str] = []
        self.folders: list[str] = []
        self.left_out: list[LeftOut] = []
        try:
            next(self._root.iterdir(), None)
        except OSError:
            raise RefusedError("this folder cannot be read: choose one that the app may open.") from None
        self._list(self._root)

    def _list(self, folder: Path) -> None:
        for parent, folders, names in os.walk(folder):
            place = Path(parent)
            for name in [*folders, *names]:
                path = place / name
                relative = path.relative_to(self._root).as_posix()
                if path.is_symlink() and not is_litter(relative):
                    if not path.resolve().is_relative_to(self._root):
                        reason = f"{quoted(relative)} is a link that leads out of the folder: remove it."
                        self.left_out.append(LeftOut(relative, reason))
                        continue
                    if name in folders and place == self._root:
                        self._list(path)  # other links to folders are not followed
                (self.folders if name in folders else self.files).append(relative)
            litter = [name for name in folders if is_litter(f"{name}/")]
            self.files += [f"{(place / name).relative_to(self._root).as_posix()}/" for name in litter]  # not opened
            folders[:] = sorted(set(folders) - set(litter))

    def read(self, path: str) -> bytes:
        try:
            return (self._root / path).read_bytes()
        except OSError as error:
            raise DamagedError(f"{quoted(path)} cannot be read: remove it.") from error


def check_stored(count: int, pixels: int, colour: str) -> None:
    """Raise RefusedError for more images than may be stored."""
    if count * pixels * pixels * (1 if colour == "grey" else 3) > MAX_STORED_BYTES:
        raise RefusedError(f"{count:,} images of {pixels} × {pixels} pixels are too many: choose fewer pixels.")


def read(source: Source, pixels: int, colour: str, check: Callable[[int, int, str], None] | None = None) -> Examples:
    """Read the images (N, C, pixels, pixels) of class folders.

    Args:
        source: The files.
        pixels: Side of the images.
        colour: "grey", "colour" or "auto".
        check: Called with the number of images, ``pixels`` and ``colour`` before any file is read, in place of the
            limits of uploads.

    Raises:
        RefusedError: There are no images that can be read, or they are beyond a limit.
    """
    listed = list_images(source.files)
    listed.left_out += _empty_folders(source.folders, listed)
    if len({image.label for image in listed.images}) > MAX_CLASSES:
        raise RefusedError(f"it has too many class folders: give at most {MAX_CLASSES:,} classes.")
    return read_listed(source, listed, pixels, colour, check)


def read_listed(
    source: Source, listed: ImageList, pixels: int, colour: str, check: Callable[[int, int, str], None] | None = None
) -> Examples:
    """Read the images (N, C, pixels, pixels) of a list, see :func:`read`."""
    left_out = [*source.left_out, *listed.left_out]
    (check or check_stored)(len(listed.images), pixels, colour)
    most_decoded = np.inf if check else MAX_DECODED_PIXELS
    squares: list[decode.Pixels] = []
    images: list[ImageFile] = []
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for image, square in _squares(source, listed.images, pixels, pool, most_decoded):
            if isinstance(square, LeftOut):
                left_out.append(square)
            else:
                images.append(image)
                squares.append(square)
    refuse_without(len(images), left_out)
    stated = [image.split for image in images if image.split is not None]
    return Examples(
        source.format,
        "images",
        decode.stack_images(squares, colour),
        [image.label for image in images],
        [image.path for image in images],
        torch.tensor(stated) if stated else None,
        left_out,
        listed.passed_over,
    )


def holds_texts(source: Source) -> bool:
    """Return whether there are text files in folders, and no images."""
    endings = [Path(path).suffix.lower() for path in source.files if "/" in path and not is_litter(path)]
    return bool(set(text_files.ENDINGS) & set(endings)) and not set(READABLE) & set(endings)


def read_texts(source: Source) -> Examples:
    """Read the texts of class folders as code points (N, L). Raises RefusedError if there are none."""
    listed = list_images(source.files, text_files.ENDINGS, "texts")
    left_out = [*source.left_out, *listed.left_out, *_empty_folders(source.folders, listed)]
    files: list[ImageFile] = []
    texts: list[str] = []
    for file in listed.images:
        try:
            text = text_files.decode(source.read(file.path))[0].strip()[: MAX_TEXT + 1]
            reason = "" if text else "is empty: write a text into it, or take it out."
        except DamagedError as error:
            text, reason = "", str(error)
        except RefusedError:
            text, reason = "", "holds no text: take it out."
        if reason:
            left_out.append(LeftOut(file.path, f"{quoted(file.path)} {reason}"))
        else:
            files.append(file)
            texts.append(text)
    refuse_without(len(texts), left_out)
    inputs, notes = text_files.to_inputs(texts)
    stated = [file.split for file in files if file.split is not None]
    return Examples(
        source.format, "text", inputs.numpy(), [file.label for file in files], [file.path for file in files],
        torch.tensor(stated) if stated else None, left_out, listed.passed_over, notes,
    )  # fmt: skip


def _squares(
    source: Source, images: Sequence[ImageFile], pixels: int, pool: ThreadPoolExecutor, most_decoded: float
) -> Iterator[tuple[ImageFile, decode.Pixels | LeftOut]]:
    """Yield every image with its decoded square, or with the reason why there is none."""
    decoded = 0

    def read_one(image: ImageFile) -> bytes | LeftOut:
        try:
            return source.read(image.path)
        except DamagedError as error:
            return LeftOut(image.path, str(error))

    def decode_one(item: Content) -> tuple[decode.Pixels | LeftOut, int]:
        image, content = item
        if isinstance(content, LeftOut):
            return content, 0
        try:
            return decode.decode(content, image.path, pixels)
        except RefusedError as error:
            return LeftOut(image.path, str(error)), 0

    for batch in _batches((image, read_one(image)) for image in images):
        for (image, _), (square, size) in zip(batch, pool.map(decode_one, batch), strict=True):
            decoded += size
            if decoded > most_decoded:
                raise RefusedError(
                    f"its images have more than {MAX_DECODED_PIXELS / 1e9:g} billion pixels in all: make them smaller."
                )
            yield image, square


def _batches(contents: Iterable[Content]) -> Iterator[list[Content]]:
    batch: list[Content] = []
    size = 0
    for image, content in contents:
        batch.append((image, content))
        size += len(content) if isinstance(content, bytes) else 0
        if len(batch) == BATCH_FILES or size > BATCH_BYTES:
            yield batch
            batch, size = [], 0
    yield batch


def _empty_folders(folders: Sequence[str], listed: ImageList) -> Iterator[LeftOut]:
    """Yield the folders without images that stand beside class folders with some."""
    direct = {image.path.rpartition("/")[0] for image in listed.images}
    paths = [*(image.path for image in listed.images), *(one.where for one in listed.left_out)]
    filled = {"/".join(path.split("/")[:depth]) for path in paths for depth in range(path.count("/") + 1)}
    for folder in folders:
        parent = folder.rpartition("/")[0]
        if folder not in filled and parent in filled and parent not in direct and not is_litter(f"{folder}/"):
            yield LeftOut(folder, f"the folder {quoted(folder)} is empty: put images into it, or take it out.")
