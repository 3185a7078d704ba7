"""Images from a folder on this machine, in one folder per class or with masks."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from kd_core.base.options import boolean, choice, integer, shorten, text
from kd_core.datasets import Data, Dataset, NotAvailableError, ProgressCallback
from kd_core.datasets._images import IMAGES, MASKS, REMEDY, masked_images
from kd_core.datasets._splits import HELD_OUT, MAX_HELD_OUT, assemble, check_memory, hold_out
from kd_core.files import uploads
from kd_core.files.limits import LARGEST, SMALLEST, RefusedError
from kd_core.files.uploads import images
from kd_core.files.uploads.folders import masks
from kd_core.files.uploads.splits import FOLDERS, TEST, TRAIN, VALIDATION
from kd_core.tasks import Task
from kd_core.tasks.classification import Classification
from kd_core.tasks.segmentation import Segmentation

VARIABLE = "DISTILLERY_FOLDERS"
UNCOUNTED_BYTES = 1_000_000_000  # assumed of pictures that nobody has counted yet
MIN_IMAGES = 3  # of a class, one for each split


@dataclass(frozen=True)
class Folder(Dataset):
    title: ClassVar[str] = "A folder of pictures"
    summary: ClassVar[str] = (
        "Your own pictures on this machine: a folder with one folder per class, or with folders images and masks."
    )
    family: ClassVar[str] = "images"
    source: ClassVar[str] = "a folder of this machine"
    licence: ClassVar[str] = "that of your pictures"
    recommended: ClassVar[Mapping[str, str]] = IMAGES

    path: str = text(
        "", 500, f"Below one of the folders that {VARIABLE} names: in full, or from there.", label="Folder"
    )
    pixels: int = integer(
        64, SMALLEST, LARGEST, "Side of the square that is cut out of the middle of each image.", step=8
    )
    colours: str = choice("colour", ("colour", "grey"), "Red, green and blue, or brightness alone.")
    leave_out: bool = boolean(
        False, "Use the folder without pictures that cannot be read and classes too small.", label="Leave out bad files"
    )

    @property
    def task(self) -> Task:
        return Segmentation() if self._has_masks() else Classification()

    def recommended_settings(self) -> Mapping[str, str]:
        return MASKS if self._has_masks() else IMAGES

    def _has_masks(self) -> bool:
        """Return whether folders images and masks are in the chosen folder, or in one for a split in it."""
        try:
            root = self.resolve()
            folders = [root, *(each for each in root.iterdir() if each.name.lower() in FOLDERS and each.is_dir())]
            return any({each.name.lower() for each in folder.iterdir()} >= masks.FOLDERS for folder in folders)
        except (OSError, ValueError):
            return False

    @property
    def loaded_bytes(self) -> int:
        return UNCOUNTED_BYTES if self.path else 0

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
        """Read the train, validation and test folders; without those draw a fixed, stratified 80 %, 10 % and 10 %.

        Of exact copies in different given splits only those nearest to the test are used; where splits are drawn, they
        stay in one. Images with masks are those of a segmentation, and one without is a training image without a label.
        """
        root = self.resolve()
        colour = "grey" if self.colours == "grey" else "colour"
        choices = uploads.Choices(pixels=self.pixels, colour=colour, leave_out=self.leave_out)
        has_masks = self._has_masks()
        try:
            files = images.FolderFiles(root)
            if has_masks:
                understood = masks.understand(root.name, files, choices, _check_memory, _draw)
            else:
                examples = images.read(files, self.pixels, colour, _check_memory)
                understood = uploads.understand(root.name, examples, choices, MIN_IMAGES, _draw)
        except RefusedError as error:
            raise ValueError(f"the folder {shorten(self.path)}: {error}") from error
        if understood.obstacle:
            raise ValueError(f"the folder {shorten(self.path)}: {understood.obstacle}")
        inputs, labels, splits = (understood.tensors[name] for name in ("inputs", "labels", "splits"))
        rows = [(splits == number).nonzero().flatten() for number in range(3)]
        if has_masks:
            return masked_images(inputs, labels, rows, understood.classes, understood.findings)
        parts = ((inputs[of_split], labels[of_split]) for of_split in rows)
        data = assemble(understood.classes, *parts, remedy=REMEDY)
        return replace(data, notes=tuple(understood.findings))


def _check_memory(count: int, pixels: int, colour: str) -> None:
    check_memory(count, (1 if colour == "grey" else 3, pixels, pixels), REMEDY)


def _draw(first: Tensor, labels: Tensor, missing: Sequence[int], given_splits: Tensor | None) -> Tensor:
    """Return the split (N,) of each image, with the missing ones held out of the training images."""
    split = torch.zeros_like(labels) if given_splits is None else given_splits.clone()
    is_first = first == torch.arange(len(first))
    for drawn, stream in ((TEST, "test"), (VALIDATION, "validation")):
        if drawn in missing:
            rows = (is_first & (split == TRAIN)).nonzero().flatten()
            is_second = drawn == VALIDATION and TEST in missing
            fraction = HELD_OUT / (1 - HELD_OUT) if is_second else HELD_OUT
            most = MAX_HELD_OUT if given_splits is not None else None
            split[rows[hold_out(labels[rows], fraction, most, stream)[1]]] = drawn
    return split[first]
