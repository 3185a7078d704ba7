"""Pictures of any kind and size as bytes of one shape: single files, and folders of class folders."""

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

READ = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
NOT_READ = (".heic", ".heif", ".avif", ".jxl", ".jp2", ".svg", ".psd", ".raw", ".dng", ".cr2", ".nef")
REMEDY = "choose fewer pixels, or fewer images"
BESIDE = ("__MACOSX",)  # what a Mac packs beside the folders


def read_image(path: Path, pixels: int, grey: bool = False, name: str = "") -> Tensor:
    """One picture as bytes (3, pixels, pixels), or (1, pixels, pixels) in ``grey``; see :func:`pictures.decode`.

    Raises ValueError with the file's ``name`` for what is no picture, half a picture, too large, or moves.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{shorten(name or path.name, 80)} cannot be read: remove it.") from error
    square, _ = decode.decode(content, name or path.name, pixels)
    return torch.from_numpy(decode.stack_images([square], "grey" if grey else "colour")[0])


def read_images(paths: Sequence[Path], pixels: int, grey: bool = False, root: Path | None = None) -> Tensor:
    """Pictures (N, C, pixels, pixels) as bytes, read side by side. Raises ValueError naming the first that is unfit.

    ``root`` is left out of the names; without it a name is the file's alone.
    """
    check_memory(len(paths), (1 if grey else 3, pixels, pixels), REMEDY)
    stacked = torch.empty(len(paths), 1 if grey else 3, pixels, pixels, dtype=torch.uint8)

    def one(number: int) -> None:
        path = paths[number]
        stacked[number] = read_image(path, pixels, grey, str(path.relative_to(root)) if root else "")

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as readers:
        for done in [readers.submit(one, number) for number in range(len(paths))]:
            try:
                done.result()
            except BaseException:
                readers.shutdown(wait=False, cancel_futures=True)
                raise
    return stacked


def read_classes(root: Path, pixels: int, grey: bool) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """The pictures in a folder of class folders: bytes (N, C, pixels, pixels), labels (N,) int64, and class names.

    Folders are classes in alphabetical order; pictures may lie in folders inside them. Hidden files and files that are
    no pictures by name are passed over. Raises ValueError with one sentence for fewer than two classes, a class
    without pictures, a link that leads out of ``root``, a picture that cannot be read, or too many to hold.
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
        found = sorted(_pictures(folder, root))
        if not found:
            raise ValueError(f"the class folder {shorten(folder.name)} holds no pictures: fill it or remove it.")
        paths += found
        labels += [number] * len(found)
    return read_images(paths, pixels, grey, root), torch.tensor(labels), tuple(folder.name for folder in folders)


def class_folders(root: Path) -> list[Path]:
    """The folders in ``root``, in alphabetical order, without hidden ones. Raises ValueError for one that leads out."""
    try:
        inner = sorted(path for path in root.iterdir() if not path.name.startswith(".") and path.name not in BESIDE)
    except OSError:
        raise ValueError("this folder cannot be read: choose one that the app may open.") from None
    return [_kept_inside(path, root) for path in inner if path.is_dir()]


def _pictures(folder: Path, root: Path) -> Iterator[Path]:
    """The files below ``folder`` that are pictures by their names; links to folders are not followed."""
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place) / name
            ending = path.suffix.lower()
            if name.startswith("."):
                continue
            if ending in NOT_READ:
                raise ValueError(f"{shorten(str(path.relative_to(root)), 80)} cannot be read: save it as PNG or JPEG.")
            if ending in READ:
                yield _kept_inside(path, root)


def _kept_inside(path: Path, root: Path) -> Path:
    if not path.resolve().is_relative_to(root):
        raise ValueError(
            f"{shorten(str(path.relative_to(root)), 80)} is a link that leads out of the folder: remove it."
        )
    return path
