"""Images of any format and size as bytes of one shape, from files or from class folders."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from kd_core.base.options import shorten
from kd_core.datasets._splits import check_memory
from kd_core.files.uploads import decode

READABLE = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
NOT_READABLE = (".heic", ".heif", ".avif", ".jxl", ".jp2", ".svg", ".psd", ".raw", ".dng", ".cr2", ".nef")
REMEDY = "choose fewer pixels, or fewer images"
IGNORED = ("__MACOSX",)  # added to archives by macOS


def read_image(path: Path, pixels: int, grey: bool = False, name: str = "") -> Tensor:
    """Return one image as bytes (3, pixels, pixels), or (1, pixels, pixels) in ``grey``; see :func:`decode.decode`.

    Raises ValueError with the file's ``name`` if it is no image, incomplete, too large or animated.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{shorten(name or path.name, 80)} cannot be read: remove it.") from error
    square, _ = decode.decode(content, name or path.name, pixels)
    return torch.from_numpy(decode.stack_images([square], "grey" if grey else "colour")[0])


def read_images(paths: Sequence[Path], pixels: int, grey: bool = False, root: Path | None = None) -> Tensor:
    """Return images (N, C, pixels, pixels) as bytes, read in parallel. Raises ValueError naming the first bad one.

    ``root`` is left out of the names; without it a name is the file's alone.
    """
    check_memory(len(paths), (1 if grey else 3, pixels, pixels), REMEDY)
    stacked = torch.empty(len(paths), 1 if grey else 3, pixels, pixels, dtype=torch.uint8)

    def read(index: int) -> None:
        path = paths[index]
        stacked[index] = read_image(path, pixels, grey, str(path.relative_to(root)) if root else "")

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as readers:
        for future in [readers.submit(read, index) for index in range(len(paths))]:
            try:
                future.result()
            except BaseException:
                readers.shutdown(wait=False, cancel_futures=True)
                raise
    return stacked


def read_classes(root: Path, pixels: int, grey: bool) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """Return the images of class folders as bytes (N, C, pixels, pixels), labels (N,) int64, and class names.

    Folders are classes in alphabetical order and may have folders inside. Hidden files and files that are no images by
    name are ignored. Raises ValueError with one sentence for fewer than two classes, a class without images, a link
    that leads out of ``root``, an image that cannot be read, or too many for the memory.
    """
    root = root.resolve()
    folders = class_folders(root)
    if len(folders) < 2:
        raise ValueError(
            f"there {'is one class folder' if folders else 'are no class folders'} in this folder: "
            "put the pictures of each class into a folder of its own, two at least."
        )
    paths: list[Path] = []
    labels: list[int] = []
    for number, folder in enumerate(folders):
        files = sorted(_image_files(folder, root))
        if not files:
            raise ValueError(f"the class folder {shorten(folder.name)} holds no pictures: fill it or remove it.")
        paths += files
        labels += [number] * len(files)
    return read_images(paths, pixels, grey, root), torch.tensor(labels), tuple(folder.name for folder in folders)


def class_folders(root: Path) -> list[Path]:
    """Return the visible folders in ``root`` in alphabetical order. Raises ValueError for a link that leads out."""
    try:
        entries = sorted(path for path in root.iterdir() if not path.name.startswith(".") and path.name not in IGNORED)
    except OSError:
        raise ValueError("this folder cannot be read: choose one that the app may open.") from None
    return [_checked_inside(path, root) for path in entries if path.is_dir()]


def _image_files(folder: Path, root: Path) -> Iterator[Path]:
    """Yield the image files below ``folder``, by suffix; links to folders are not followed."""
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent) / name
            suffix = path.suffix.lower()
            if name.startswith("."):
                continue
            if suffix in NOT_READABLE:
                raise ValueError(f"{shorten(str(path.relative_to(root)), 80)} cannot be read: save it as PNG or JPEG.")
            if suffix in READABLE:
                yield _checked_inside(path, root)


def _checked_inside(path: Path, root: Path) -> Path:
    if not path.resolve().is_relative_to(root):
        raise ValueError(
            f"{shorten(str(path.relative_to(root)), 80)} is a link that leads out of the folder: remove it."
        )
    return path
