"""Images from a folder on this machine with one folder per class."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from kd_core.base.options import choice, integer, shorten, text
from kd_core.datasets import Data, Dataset, NotAvailableError, ProgressCallback
from kd_core.datasets._images import REMEDY, class_folders, read_classes
from kd_core.datasets._splits import HELD_OUT, assemble, hold_out, with_validation
from kd_core.files.limits import LARGEST, SMALLEST

VARIABLE = "DISTILLERY_FOLDERS"
TRAIN, VALIDATION, TEST = ("train", "training"), ("val", "valid", "validation"), ("test", "testing")
MIN_IMAGES = 3  # of a class, one for each split


@dataclass(frozen=True)
class Folder(Dataset):
    title: ClassVar[str] = "A folder of pictures"
    summary: ClassVar[str] = "Your own pictures on this machine: a folder with one folder per class."
    family: ClassVar[str] = "images"
    source: ClassVar[str] = "a folder of this machine"
    licence: ClassVar[str] = "that of your pictures"
    recommended: ClassVar[Mapping[str, str]] = {
        "teacher": "cnn",
        "teacher_depth": "3",
        "student": "cnn",
        "student_width": "8",
        "student_depth": "3",
        "batch_size": "32",
    }

    path: str = text(
        "", 500, f"Below one of the folders that {VARIABLE} names: in full, or from there.", label="Folder"
    )
    pixels: int = integer(
        64, SMALLEST, LARGEST, "Side of the square that is cut out of the middle of each image.", step=8
    )
    colours: str = choice("colour", ("colour", "grey"), "Red, green and blue, or brightness alone.")

    def is_available(self) -> bool:
        try:
            self.resolve()
        except ValueError:
            return False
        return True

    def download(self, report: ProgressCallback) -> None:  # noqa: ARG002
        """Raise ValueError if the folder cannot be used; nothing is downloaded."""
        self.resolve()

    def resolve(self) -> Path:
        """Return the chosen folder. Raises ValueError for one that does not exist or is not allowed.

        Only folders that the person who started the app has named may be read, and errors do not reveal what exists
        elsewhere, since the app may be on a server.
        """
        allowed = [
            Path(folder).resolve() for folder in os.environ.get(VARIABLE, "").split(os.pathsep) if folder.strip()
        ]
        if not allowed:
            raise NotAvailableError(
                "folders of this machine are read only where whoever started Distillery allows it: "
                f"set the environment variable {VARIABLE} to the folders that may be read, and start it again."
            )
        if not self.path.strip():
            raise NotAvailableError(
                f"no folder is chosen yet: name one below the folders in {VARIABLE}, with one folder per class."
            )
        for root in allowed:
            try:
                folder = (root / self.path.strip()).resolve()
                if folder.is_relative_to(root) and folder.is_dir():
                    return folder
            except (OSError, ValueError):  # too long, or an invalid character
                continue
        raise NotAvailableError(
            f"there is no folder “{shorten(self.path)}” below those that {VARIABLE} names: choose one of theirs."
        )

    def load(self) -> Data:
        """Read the train, validation and test folders; without those draw a fixed, stratified 80 %, 10 % and 10 %."""
        root = self.resolve()
        folders = {path.name.lower(): path for path in class_folders(root)}
        training, *others = (self._first(folders, names) for names in (TRAIN, VALIDATION, TEST))
        splits = {name for name in folders if name in (*TRAIN, *VALIDATION, *TEST)}
        if training is None or len(splits) < 2 or splits != set(folders):  # perhaps a class is called train
            return self._draw_splits(root)
        train, classes = self._read(training)
        held_out = []
        for folder in others:
            if folder is not None:
                split, names = self._read(folder)
                held_out.append(split)
                if names != classes:
                    odd = sorted(set(classes) ^ set(names))[0]
                    raise ValueError(
                        f"the class folder {shorten(odd)} is not in every split: give all of them the same folders."
                    )
        if len(held_out) == 2:
            return assemble(classes, train, *held_out, remedy=REMEDY)
        return with_validation(classes, train, *held_out, remedy=REMEDY)

    def _draw_splits(self, root: Path) -> Data:
        (pixels, labels), classes = self._read(root)
        counts = torch.bincount(labels)
        if int(counts.min()) < MIN_IMAGES:
            few = classes[int(counts.argmin())]
            raise ValueError(
                f"the class folder {shorten(few)} holds {int(counts.min())} of the {MIN_IMAGES} images that it needs, "
                "one for each of the three splits."
            )
        rest, test = hold_out(labels, HELD_OUT, stream="test")
        rows, validation = hold_out(labels[rest], HELD_OUT / (1 - HELD_OUT))
        parts = ((pixels[part], labels[part]) for part in (rest[rows], rest[validation], test))
        return assemble(classes, *parts, remedy=REMEDY)

    def _read(self, folder: Path) -> tuple[tuple[Tensor, Tensor], tuple[str, ...]]:
        pixels, labels, classes = read_classes(folder, self.pixels, self.colours == "grey")
        return (pixels, labels), classes

    @staticmethod
    def _first(folders: Mapping[str, Path], names: tuple[str, ...]) -> Path | None:
        return next((folders[name] for name in names if name in folders), None)
