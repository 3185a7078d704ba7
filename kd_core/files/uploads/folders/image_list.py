"""List of the images or texts in class folders, one rule for ZIP archives and for folders on a disk."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from kd_core.files.limits import RefusedError, quoted
from kd_core.files.uploads.splits import FOLDERS, TRAIN
from kd_core.files.uploads.understanding import LeftOut

READABLE = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
NOT_READABLE = (".heic", ".heif", ".avif", ".jxl", ".jp2", ".svg", ".psd", ".raw", ".dng", ".cr2", ".nef")
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")
SYSTEM_FILES = re.compile(r"\..*|__MACOSX|Thumbs\.db|ehthumbs\.db|desktop\.ini|Icon[\r\n]?|~\$.*", re.IGNORECASE)
READ_ME = re.compile(r"(readme|licen[cs]e|copying|citation|changelog)(\.\w+)?", re.IGNORECASE)


@dataclass(frozen=True)
class ImageFile:
    """Image, or text, with its class and its split."""

    path: str
    label: str
    split: int | None  # position in SPLITS; None if the folders give no splits


@dataclass
class ImageList:
    """What a list of paths holds."""

    images: list[ImageFile] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)


def is_litter(path: str) -> bool:
    """Return whether a path leads to a hidden file, one of an operating system, or one that describes the others."""
    parts = path.rstrip("/").split("/")
    return any(SYSTEM_FILES.fullmatch(part) for part in parts) or (
        not path.endswith("/") and READ_ME.fullmatch(parts[-1]) is not None
    )


class ImagePaths:
    """Images by path, by name and by the name without its ending, as far as these are unique."""

    def __init__(self, images: Sequence[str]) -> None:
        self._images = set(images)
        self._by_name = unique_by(images, lambda path: path.name) | unique_by(images, lambda path: path.stem)

    def find(self, name: str, near: str = "") -> str | None:
        """Return the image of this name, first in the folders around the file ``near``."""
        name = name.replace("\\", "/").removeprefix("./")
        for folder in PurePosixPath(near).parents if near else ():
            for inner in ("", "images"):
                path = str(folder / inner / name).removeprefix("./")
                if path in self._images:
                    return path
        return name if name in self._images else self._by_name.get(PurePosixPath(name).name)


def unique_by(paths: Sequence[str], key: Callable[[PurePosixPath], str]) -> dict[str, str]:
    """Return the paths by their keys, without those whose key another one has."""
    counts = Counter(key(PurePosixPath(path)) for path in paths)
    return {name: path for path in paths if counts[name := key(PurePosixPath(path))] == 1}


def split_of(path: str) -> int | None:
    """Return the split that a folder train, val or test on the way to a file says, None without one."""
    return next((FOLDERS[part.lower()] for part in path.split("/")[:-1] if part.lower() in FOLDERS), None)


def list_images(paths: Iterable[str], readable: Sequence[str] = READABLE, noun: str = "images") -> ImageList:
    """Sort the paths of files, with "/" between folders, into images by split and class, and what is left out.

    ``readable`` are the endings of their names, and ``noun`` is what they are called.

    Folders around all files are ignored. A folder train beside a folder val (valid, validation, dev) or test makes
    splits; the next folder is the class, and folders inside of it belong to it.

    Raises:
        RefusedError: There are none in folders.
    """
    listed = ImageList()
    files: dict[str, tuple[str, ...]] = {}
    for path in sorted(paths, key=lambda path: path.split("/")):
        suffix, parts = PurePosixPath(path).suffix.lower(), tuple(path.split("/"))
        is_archive = suffix in ARCHIVES and len(parts) > 1  # one beside the folders is what they were packed in
        if not is_litter(path) and (is_archive or not suffix or suffix in (*readable, *NOT_READABLE)):
            files[path] = parts
        else:
            listed.passed_over.append(path)
    while len({parts[0] for parts in files.values()}) == 1 and any(len(parts) > 2 for parts in files.values()):
        files = {path: parts[1:] for path, parts in files.items()}
    gives_splits = _gives_splits(files.values())
    for path, parts in files.items():
        split = FOLDERS.get(parts[0].lower()) if gives_splits else None
        folders = parts[gives_splits:-1]
        suffix = PurePosixPath(path).suffix.lower()
        reason = ""
        if gives_splits and split is None:
            reason = f"{quoted(path)} is in none of the folders for training, validation and test: move it into one."
        elif not folders:
            reason = f"{quoted(path)} lies outside of the class folders: move it into one, or out."
        elif suffix in NOT_READABLE:
            reason = f"{quoted(path)} cannot be read: save it as PNG or JPEG."
        if reason:
            listed.left_out.append(LeftOut(path, reason))
        else:
            listed.images.append(ImageFile(path, folders[0], split))
    if not listed.images:
        raise RefusedError(
            listed.left_out[0].reason
            if listed.left_out
            else f"it holds no {noun}: put the {noun} of each class into a folder of its own."
        )
    return listed


def _gives_splits(files: Iterable[Sequence[str]]) -> bool:
    """Return whether there are class folders in a folder train and in one for validation or test.

    A class may be called train, or test.
    """
    classes: dict[int, set[str]] = {}
    for parts in files:
        split = FOLDERS.get(parts[0].lower())
        if split is not None and len(parts) > 2:
            classes.setdefault(split, set()).add(parts[1])
    return len(classes) > 1 and TRAIN in classes
