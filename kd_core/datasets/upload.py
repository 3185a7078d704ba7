"""Uploaded data, see :mod:`kd_core.files.uploads`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from kd_core.base.options import text
from kd_core.base.registry import find_plugin
from kd_core.base.seeds import generator
from kd_core.datasets import Data, Dataset, NotAvailableError, ProgressCallback, Split, standardise
from kd_core.datasets._images import IMAGES, MASKS, masked_images
from kd_core.datasets._splits import range_to_pixels
from kd_core.files import uploads
from kd_core.files.uploads.decode import moments
from kd_core.files.uploads.splits import draw, first_occurrences
from kd_core.files.uploads.table_dataset import MISSING_WORD, scales
from kd_core.files.uploads.understanding import REGRESSION, TASK_OF, form_of, target_of
from kd_core.tasks import Task
from kd_core.tasks._boxes import CELL_PIXELS, assign
from kd_core.tasks.classification import Classification
from kd_core.tasks.detection import BACKGROUND, Detection
from kd_core.tasks.multi_label import MultiLabel

BOXES = {
    "teacher": "detector", "teacher_width": "16", "student": "detector", "student_width": "8",
    "method": "localisation", "label_weight": "0.1", "soft_weight": "0.9", "temperature": "1", "box_temperature": "2",
    "batch_size": "16", "learning_rate": "0.01", "schedule": "one-cycle",
    "teacher_batch_size": "16", "teacher_learning_rate": "0.006", "teacher_schedule": "one-cycle",
}  # fmt: skip
TEXTS = {
    "teacher": "ngram_mlp", "teacher_n": "4", "teacher_buckets": "4096", "teacher_hidden": "128",
    "student": "ngram_mlp",
}  # fmt: skip
NUMBERS = {
    "teacher": "mlp", "teacher_widths": "96-96", "student": "mlp", "student_widths": "16-16", "schedule": "cosine",
    "label_weight": "0.5", "weight": "0.5",
}  # fmt: skip
ROWS = {"teacher": "mlp", "teacher_widths": "256-128", "student": "mlp"}


def recommended_settings(*, is_text: bool, is_image: bool, is_number: bool) -> Mapping[str, str]:
    """Return settings that suit somebody's own texts, images of 16 pixels or more, or rows of numbers."""
    networks = TEXTS if is_text else IMAGES if is_image else NUMBERS if is_number else ROWS
    return {**NUMBERS, **networks} if is_number else networks


@dataclass(frozen=True)
class Uploaded(Dataset):
    title: ClassVar[str] = "Your own data"
    summary: ClassVar[str] = (
        "Images in class folders, with boxes, masks or a table of labels, or a table of numbers, words, pixels or "
        "texts, stored on this machine alone."
    )
    family: ClassVar[str] = "your own"
    source: ClassVar[str] = "a file that you uploaded"
    licence: ClassVar[str] = "whatever you may do with it"
    is_uploaded: ClassVar[bool] = True
    recommended: ClassVar[Mapping[str, str]] = ROWS

    id: str = text("", 32, "Id of the upload.", label="Upload")

    @property
    def task(self) -> Task:
        upload = uploads.find(self.id)
        if upload is None:
            return Classification()
        cls = find_plugin("tasks", TASK_OF[upload.kind])
        task = cls(classes=len(upload.classes)) if issubclass(cls, MultiLabel) else cls()
        assert isinstance(task, Task)
        return task

    def recommended_settings(self) -> Mapping[str, str]:
        upload = uploads.find(self.id)
        if upload is None:
            return self.recommended
        if upload.kind in ("boxes", "masks"):
            return BOXES if upload.kind == "boxes" else MASKS
        form = form_of(upload.kind)
        return recommended_settings(
            is_text=form == "text",
            is_image=form == "images" and min(upload.shape[1:]) >= 16,
            is_number=target_of(upload.kind) == REGRESSION,
        )

    @property
    def loaded_bytes(self) -> int:
        upload = uploads.find(self.id)
        return 0 if upload is None else 4 * len(upload) * math.prod(upload.shape)

    def load(self) -> Data:
        """Return the splits that the file gave, or else 70 % train, 15 % validation and 15 % test of each class.

        Copies of one example are in one split. Images are standardised by channel and numbers by column, with the
        statistics of the training split; texts are their code points.
        """
        upload = uploads.find(self.id)
        if upload is None or upload.dataset != self.name:
            raise NotAvailableError(_MISSING)
        try:
            if upload.kind == "boxes":
                return _with_boxes(uploads.read_boxes(self.id), upload.classes)
            inputs, labels, splits = uploads.read(self.id)
        except ValueError as error:  # removed meanwhile
            raise NotAvailableError(_MISSING) from error
        parts = _parts(inputs, labels, splits)
        if upload.kind == "masks":
            return masked_images(inputs, labels, parts, upload.classes)
        form = form_of(upload.kind)
        mean: tuple[float, ...] = (0.0,)
        std: tuple[float, ...] = (1.0,)
        if form == "images":
            mean, std = moments(inputs[parts[0]])
            by_split = [standardise(inputs[rows], mean, std) for rows in parts]
        elif form == "text":
            by_split = [inputs[rows].float() for rows in parts]
        else:  # points of an earlier version have no columns
            means, stds = scales(upload.inputs) if upload.columns else _statistics(inputs[parts[0]])
            by_split = [((inputs[rows].double() - means) / stds).float() for rows in parts]
            mean, std = range_to_pixels(by_split[0]) if form == "table" else (mean, std)
        centre, scale = (), ()
        if target_of(upload.kind) == REGRESSION:
            means, stds = _statistics(labels[parts[0]])
            labels, centre, scale = ((labels - means) / stds).float(), tuple(means.tolist()), tuple(stds.tolist())
        train, validation, test = (Split(one, labels[rows]) for one, rows in zip(by_split, parts, strict=True))
        return Data(
            train, validation, test, upload.classes, mean, std, task=self.task, label_centre=centre, label_scale=scale
        )

    def columns(self, data: Data) -> Sequence[Mapping[str, Any]]:  # noqa: ARG002
        """Return how the cells of a row become an input, see :meth:`Dataset.columns`."""
        upload = uploads.find(self.id)
        described: list[Mapping[str, Any]] = []
        if upload is not None and upload.kind == "points" and not upload.columns:
            inputs, labels, splits = uploads.read(self.id)
            statistics = zip(*_statistics(inputs[_parts(inputs, labels, splits)[0]]), strict=True)
            return [
                {"name": name, "mean": float(mean), "std": float(std)}
                for name, (mean, std) in zip("xy", statistics, strict=True)
            ]
        if upload is not None and form_of(upload.kind) == "text":
            name = next((column.name for column in upload.columns if column.role == "text"), "text")
            return [{"name": name, "characters": upload.shape[0]}]
        for column in upload.inputs if upload is not None else ():
            one = column.encoding
            if "values" in one:
                missing = {"missing": MISSING_WORD} if MISSING_WORD in one["values"] else {}
                described.append({"name": column.name, "words": one["values"], **missing})
            else:
                described.append(
                    {"name": column.name, "mean": one["mean"], "std": one["std"], "missing": one["median"]}
                )
        return described

    def is_available(self) -> bool:
        upload = uploads.find(self.id)
        return upload is not None and upload.dataset == self.name

    def download(self, report: ProgressCallback) -> None:  # noqa: ARG002
        if not self.is_available():
            raise NotAvailableError(_MISSING)


_MISSING = (
    "There is no upload with that id on this machine: upload a ZIP of class folders, or a table, beside the choice of "
    "data."
)


def _with_boxes(tensors: Mapping[str, Tensor], classes: tuple[str, ...]) -> Data:
    """Return images whose labels (N, cells, 5) are the class and the box of every cell."""
    inputs, owners = tensors["inputs"], tensors["owners"]
    cells = (inputs.shape[-1] // CELL_PIXELS) ** 2
    labels = torch.stack([
        assign(tensors["boxes"][owners == image], tensors["labels"][owners == image], cells, len(classes))
        for image in range(len(inputs))
    ])  # fmt: skip
    order = torch.randperm(len(inputs), generator=generator(0, "upload"))
    parts = [order[tensors["splits"][order] == number] for number in range(3)]
    means, stds = moments(inputs[parts[0]])
    train, validation, test = (Split(standardise(inputs[rows], means, stds), labels[rows]) for rows in parts)
    return Data(train, validation, test, (*classes, BACKGROUND), means, stds, task=Detection())


def _statistics(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation (D,) of each column (N, D)."""
    std, mean = torch.std_mean(inputs.double(), 0, correction=0)
    return mean, torch.where(std == 0, 1.0, std)


def _parts(inputs: Tensor, labels: Tensor, splits: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Return the shuffled rows of train, validation and test."""
    random = generator(0, "upload")
    if splits is None:  # an upload of an earlier version
        splits = draw(first_occurrences(inputs, labels), labels, random)
    order = torch.randperm(len(labels), generator=random)
    train, validation, test = (order[splits[order] == number] for number in range(3))
    return train, validation, test
