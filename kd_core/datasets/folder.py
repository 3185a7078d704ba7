"""Pictures from a folder of this machine, a class in each of its folders."""

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
FEWEST = 3  # pictures of a class: one for each split


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
            self.place()
        except ValueError:
            return False
        return True

    def download(self, report: ProgressCallback) -> None:  # noqa: ARG002
        """Nothing: says what is wrong with the folder, if anything is."""
        self.place()

    def place(self) -> Path:
        """The chosen folder. Raises ValueError for one that does not exist or is not allowed.

        A path on a server tells strangers about it, so it may be read only where whoever started the app named the
        folder; nothing is said about what exists elsewhere.
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
                place = (root / self.path.strip()).resolve()
                if place.is_relative_to(root) and place.is_dir():
                    return place
            except (OSError, ValueError):  # too long, or with a character that no path has
                continue
        raise NotAvailableError(
            f"there is no folder “{shorten(self.path)}” below those that {VARIABLE} names: choose one of theirs."
        )

    def load(self) -> Data:
        """The folder's own train, validation and test folders; else a fixed, stratified 80 %, 10 % and 10 %."""
        root = self.place()
        given = {path.name.lower(): path for path in class_folders(root)}
        parts = {key: self._named(given, names) for key, names in (("t", TRAIN), ("v", VALIDATION), ("e", TEST))}
        known = {name for name in given if name in (*TRAIN, *VALIDATION, *TEST)}
        if parts["t"] is None or len(known) < 2 or known != set(given):  # perhaps a class is called train
            return self._drawn(root)
        train, classes = self._read(parts["t"])
        others = {}
        for key in ("v", "e"):
            if (folder := parts[key]) is not None:
                others[key], here = self._read(folder)
                if here != classes:
                    odd = sorted(set(classes) ^ set(here))[0]
                    raise ValueError(
                        f"the class folder {shorten(odd)} is not in every split: give all of them the same folders."
                    )
        if len(others) == 2:
            return assemble(classes, train, others["v"], others["e"], remedy=REMEDY)
        return with_validation(classes, train, *others.values(), remedy=REMEDY)

    def _drawn(self, root: Path) -> Data:
        (pixels, labels), classes = self._read(root)
        counts = torch.bincount(labels)
        if int(counts.min()) < FEWEST:
            few = classes[int(counts.argmin())]
            raise ValueError(
                f"the class folder {shorten(few)} holds {int(counts.min())} of the {FEWEST} pictures that it needs: "
                "one to learn, one to validate, one to test."
            )
        rest, test = hold_out(labels, HELD_OUT, stream="test")
        rows, validation = hold_out(labels[rest], HELD_OUT / (1 - HELD_OUT))
        cuts = (rest[rows], rest[validation], test)
        train, held, last = ((pixels[cut], labels[cut]) for cut in cuts)
        return assemble(classes, train, held, last, remedy=REMEDY)

    def _read(self, folder: Path) -> tuple[tuple[Tensor, Tensor], tuple[str, ...]]:
        pixels, labels, classes = read_classes(folder, self.pixels, self.colours == "grey")
        return (pixels, labels), classes

    @staticmethod
    def _named(given: Mapping[str, Path], names: tuple[str, ...]) -> Path | None:
        return next((given[name] for name in names if name in given), None)
