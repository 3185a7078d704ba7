"""Labels given from Python, of one class, of several classes or of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from kd_core.base.registry import find_plugin
from kd_core.files.uploads.columns import may_be_codes
from kd_core.files.uploads.table_dataset import MAX_CODE, MAX_NUMBER
from kd_core.tasks import Task
from kd_core.tasks.multi_label import MultiLabel
from kd_core.tasks.regression import Regression

MAX_CLASSES = 100_000
CLASSIFICATION, MULTI_LABEL, REGRESSION = TARGETS = ("classification", "multi_label", "regression")
WANTED = "one label for each example, or a row of 0 and 1, or of numbers"


def understand(
    labels: Mapping[str, Tensor], classes: Sequence[str], task: str, *, is_table: bool, is_text: bool
) -> tuple[Task, tuple[str, ...], dict[str, Tensor]]:
    """Return the task of labels by "train", "val" and "test", the names of its classes, and the labels as it has them.

    Numbers are float64 and not standardised yet.

    Args:
        labels: (N,) or (N, L) of each split.
        classes: Names of the classes, or of the numbers that are predicted; without any they are numbered.
        task: "auto", or one of :data:`TARGETS`.
        is_table: Whether an example is a row of numbers; only few whole numbers are classes then, as in an upload.
        is_text: Whether an example is a text.

    Raises:
        ValueError: There is no such task, or the labels do not fit it, with the name of the argument.
    """
    if task not in ("auto", *TARGETS):
        raise ValueError(f"task = {task!r}: choose one of auto, {', '.join(TARGETS)}.")
    labels = {name: one[:, 0] if one.dim() == 2 and one.shape[1] == 1 else one for name, one in labels.items()}
    for name, one in labels.items():
        if one.dim() > 2 or one.shape[1:] != labels["train"].shape[1:] or 0 in one.shape[1:]:
            raise ValueError(f"y_{name}: labels of shape {tuple(one.shape)}; there must be {WANTED}.")
        if count := int((~one.isfinite()).sum()):
            raise ValueError(f"y_{name}: {count} labels are NaN or infinite.")
    target = _target(torch.cat(list(labels.values())), task, is_table=is_table)
    labels = {name: _as(target, f"y_{name}", one) for name, one in labels.items()}
    width = labels["train"].shape[-1]
    if target == CLASSIFICATION:
        width = len(classes) or int(labels["train"].max()) + 1
        if width > MAX_CLASSES:
            text = f"the largest label is {width - 1}; there may be {MAX_CLASSES:,} classes, from 0 on"
            raise ValueError(f"y_train: {text}.")
    elif classes and len(classes) != width:
        raise ValueError(f"classes: {len(classes)} names were given, and a label of y_train has {width} numbers.")
    is_number = target == REGRESSION
    numbered = [f"number {place}" if is_number else str(place) for place in range(width)]
    names = tuple(classes) or (("number",) if is_number and width == 1 else tuple(numbered))
    cls = find_plugin("tasks", f"text_{target}" if is_text else target)
    made = cls(classes=width) if issubclass(cls, MultiLabel) else cls()
    assert isinstance(made, Task)
    return made, names, labels


def check(argument: str, labels: Tensor, classes: int, task: Task) -> None:
    """Check the labels of a split for a task with so many classes or numbers; others are not known here.

    Raises ValueError with the argument.
    """
    is_train = "train" in argument
    if isinstance(task, MultiLabel | Regression):
        if labels.shape[1:] != (classes,):
            raise ValueError(f"{argument}: labels of shape {tuple(labels.shape)}; each example must have {classes}.")
        if is_train and bool((labels == labels[:1]).all()):
            raise ValueError(f"{argument}: all labels are the same, so there is nothing to learn.")
    elif task.has_class_per_example:
        wrong = (labels < 0) | (labels >= classes)
        if wrong.any():
            value = int(labels[wrong][0])
            raise ValueError(f"{argument}: the label {value} is not one of 0 to {classes - 1}, for {classes} classes.")
        if classes < 2 or (is_train and int(labels.min()) == int(labels.max())):
            raise ValueError(f"{argument}: all examples are of one class; there must be two at least.")


def _target(labels: Tensor, task: str, *, is_table: bool) -> str:
    """Return what labels (N,) or (N, L) of all splits are, which is the chosen ``task`` if there is one."""
    if task != "auto":
        return task
    is_float = labels.is_floating_point()
    if labels.dim() == 2:
        if is_float and not _are_flags(labels):
            return REGRESSION
        return CLASSIFICATION if _are_flags(labels) and bool((labels.sum(1) == 1).all()) else MULTI_LABEL
    is_whole = torch.equal(labels, labels.round()) and int(labels.abs().max()) < MAX_CODE
    are_many = is_float and is_table and not may_be_codes(len(torch.unique(labels)), len(labels))
    return CLASSIFICATION if is_whole and not are_many else REGRESSION


def _as(target: str, argument: str, labels: Tensor) -> Tensor:
    """Return labels (N,) or (N, L) as a task has them. Raises ValueError with the argument."""
    if target == REGRESSION:
        if len(labels) and float(labels.abs().max()) > MAX_NUMBER:
            raise ValueError(f"{argument}: a label is not between ±{MAX_NUMBER:g}: choose a larger unit.")
        return labels.double().reshape(len(labels), -1)
    if labels.dim() == 2 and not _are_flags(labels):
        raise ValueError(f"{argument}: labels of shape {tuple(labels.shape)} are not all 0 and 1, one for each class.")
    if target == MULTI_LABEL:
        if labels.dim() < 2:
            raise ValueError(f"{argument}: labels of shape {tuple(labels.shape)}; it must be 0 or 1 for each class.")
        return labels.long()
    if labels.dim() == 2:
        if not bool((labels.sum(1) == 1).all()):
            raise ValueError(f"{argument}: an example has not exactly one class; choose task = {MULTI_LABEL!r}.")
        return labels.long().argmax(1)
    if labels.is_floating_point() and not torch.equal(labels, labels.long()):
        raise ValueError(f"{argument}: a label is no whole number; labels are positions among the classes, from 0 on.")
    return labels.long()


def _are_flags(labels: Tensor) -> bool:
    return bool(((labels == 0) | (labels == 1)).all())
