"""Pictures of any kind and size as bytes of one shape: single files, and folders of class folders."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from kd_core.datasets._splitting import check_room
from kd_core.options import shorten

# What is opened, whatever the file is called: formats that hold pixels, and no programs or links to other files.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
READ = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
NOT_READ = (".heic", ".heif", ".avif", ".jxl", ".jp2", ".svg", ".psd", ".raw", ".dng", ".cr2", ".nef")
MOST_PIXELS = 50_000_000  # of one file
SMALLEST, LARGEST = 8, 224  # pixels of a side, as they may be chosen
REMEDY = "choose fewer pixels, or fewer images"
BESIDE = ("__MACOSX",)  # what a Mac packs beside the folders


def read_image(path: Path, pixels: int, grey: bool = False, name: str = "") -> Tensor:
    """One picture as bytes (3, pixels, pixels), or (1, pixels, pixels) in ``grey``.

    Turned as the camera was held; the largest square in the middle, made smaller (or larger) with antialiasing, as if
    the short side were resized and the middle cut out. 16 bits become 8, CMYK becomes RGB, and what is transparent
    lies on white. Raises ValueError with the file's ``name`` for what is no picture, half a picture, larger than 50
    million pixels, or moves.
    """
    name = name or path.name
    try:
        with Image.open(path, formats=FORMATS) as image:
            if refusal := _refusal(image):
                raise _UnfitError(refusal)
            image.draft(None, (2 * pixels, 2 * pixels))  # a JPEG can be decoded at a half, a quarter or an eighth
            turned = ImageOps.exif_transpose(image)
            plain = _eight_bits(turned)
            side = min(plain.size)
            left, top = (plain.width - side) / 2, (plain.height - side) / 2
            square = plain.resize((pixels, pixels), Image.Resampling.BILINEAR, (left, top, left + side, top + side))
            array = np.array(square.convert("L" if grey else "RGB"))
    except _UnfitError as error:
        raise ValueError(f"{shorten(name, 80)} {error}.") from None
    except UnidentifiedImageError:
        raise ValueError(f"{shorten(name, 80)} is no picture that can be read: save it as PNG or JPEG.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ValueError(f"{shorten(name, 80)} {_HUGE}.") from None
    except Exception as error:  # a decoder may raise anything over a damaged file
        raise ValueError(f"{shorten(name, 80)} cannot be read, it is damaged or cut short: remove it.") from error
    return torch.from_numpy(array).reshape(pixels, pixels, -1).permute(2, 0, 1)


class _UnfitError(Exception):
    """Why a picture is not taken, as the end of a sentence."""


_HUGE = f"has more than {MOST_PIXELS // 1_000_000} million pixels: make it smaller"


def _refusal(image: Image.Image) -> str:
    if image.width * image.height > MOST_PIXELS:
        return _HUGE
    # A phone's JPEG may hold a second picture for depth; its format is then called MPO, and nothing moves.
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        return "holds more than one picture: save the one that counts"
    if image.mode == "F":
        return "holds fractions instead of grey levels: save it with 8 or 16 bits"
    return ""


def _eight_bits(image: Image.Image) -> Image.Image:
    """RGB or L, of the same picture."""
    if image.mode.startswith("I"):
        levels = np.asarray(image).astype(np.int64)
        if levels.min() < 0 or levels.max() > 65535:
            raise _UnfitError("has grey levels beyond 16 bits: save it with 8 or 16 bits")
        return Image.fromarray(((levels + 128) // 257).astype(np.uint8))  # 65535 is 255 times 257
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        over = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert("RGB")
    return image if image.mode in ("L", "RGB") else image.convert("RGB")


def read_images(paths: Sequence[Path], pixels: int, grey: bool = False, root: Path | None = None) -> Tensor:
    """Pictures (N, C, pixels, pixels) as bytes, read side by side. Raises ValueError naming the first that is unfit.

    ``root`` is left out of the names; without it a name is the file's alone.
    """
    check_room(len(paths), (1 if grey else 3, pixels, pixels), REMEDY)
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
