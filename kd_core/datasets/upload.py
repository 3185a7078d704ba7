"""Uploaded data, see :mod:`kd_core.files.uploads`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from kd_core.base.options import text
from kd_core.base.seeds import generator
from kd_core.datasets import Data, Dataset, NotAvailableError, ProgressCallback, Split, standardise
from kd_core.datasets._splits import moments
from kd_core.files import uploads
from kd_core.files.uploads.duplicates import first_occurrences

HELD_OUT = 0.15  # of each class, for validation and again for test; at least one example

IMAGES = {
    "teacher": "cnn", "teacher_depth": "3", "student": "cnn", "student_width": "8", "student_depth": "3",
    "batch_size": "32",
}  # fmt: skip


@dataclass(frozen=True)
class Uploaded(Dataset):
    title: ClassVar[str] = "Your own data"
    summary: ClassVar[str] = "Images in class folders, or a table of points or pixels, stored on this machine alone."
    family: ClassVar[str] = "your own"
    source: ClassVar[str] = "a file that you uploaded"
    licence: ClassVar[str] = "whatever you may do with it"
    recommended: ClassVar[Mapping[str, str]] = {"teacher": "mlp", "teacher_widths": "256-128", "student": "mlp"}

    id: str = text("", 32, "Id of the upload.", label="Upload")

    def recommended_settings(self) -> Mapping[str, str]:
        upload = uploads.find(self.id)
        return (
            IMAGES
            if upload is not None and upload.kind == "images" and min(upload.shape[1:]) >= 16
            else self.recommended
        )

    def load(self) -> Data:
        """Return a fixed split into 70 % train, 15 % validation and 15 % test of each class.

        Copies of one example stay in one split. Images are standardised by channel and points by coordinate, with the
        statistics of the training split.
        """
        upload = uploads.find(self.id)
        if upload is None:
            raise NotAvailableError(_MISSING)
        try:
            inputs, labels = uploads.read(self.id)
        except ValueError as error:  # removed meanwhile
            raise NotAvailableError(_MISSING) from error
        parts = _parts(first_occurrences(inputs, labels), labels)
        if upload.kind == "points":
            std, mean = torch.std_mean(inputs[parts[0]].double(), 0, correction=0)
            std[std == 0] = 1.0
            points = ((inputs.double() - mean) / std).float()
            train, validation, test = (Split(points[rows], labels[rows]) for rows in parts)
            return Data(train, validation, test, upload.classes)
        means, stds = moments(inputs[parts[0]])
        train, validation, test = (Split(standardise(inputs[rows], means, stds), labels[rows]) for rows in parts)
        return Data(train, validation, test, upload.classes, means, stds)

    def is_available(self) -> bool:
        return uploads.find(self.id) is not None

    def download(self, report: ProgressCallback) -> None:  # noqa: ARG002
        if not self.is_available():
            raise NotAvailableError(_MISSING)


_MISSING = (
    "There is no upload with that id on this machine: upload a ZIP of class folders, or a CSV file of points or "
    "pixels, beside the choice of data."
)


def _parts(first: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the shuffled rows of train, validation and test; ``first`` is from :func:`first_occurrences`."""
    random = generator(0, "upload")
    part = torch.zeros(len(labels), dtype=torch.int64)
    is_first = first == torch.arange(len(first))
    for number in range(int(labels.max()) + 1):
        rows = (is_first & (labels == number)).nonzero().flatten()
        rows = rows[torch.randperm(len(rows), generator=random)]
        count = max(1, round(HELD_OUT * len(rows)))
        part[rows[:count]], part[rows[count : 2 * count]] = 2, 1
    part = part[first]
    order = torch.randperm(len(labels), generator=random)
    train, validation, test = (order[part[order] == number] for number in range(3))
    return train, validation, test
