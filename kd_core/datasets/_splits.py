"""Splits of a data set with a stratified validation set, standardised inputs and a memory check."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

import torch
from torch import Tensor

from kd_core.base.seeds import generator
from kd_core.datasets import Data, Split, standardise
from kd_core.files.archive import format_bytes
from kd_core.files.uploads.decode import moments

HELD_OUT = 0.1  # fraction of the official training split, for validation
MAX_HELD_OUT = 5_000  # examples
MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")  # of a container, on Linux

RawSplit = tuple[Tensor, Tensor]  # pixels (N, C, H, W) uint8, labels (N,) int64


def hold_out(
    labels: Tensor, fraction: float, most: int | None = None, stream: str = "validation"
) -> tuple[Tensor, Tensor]:
    """Return rows that stay and rows held out, a ``fraction`` of each class and at most ``most`` in all.

    At least one example of every class is held out and one stays; the choice is the same at every call.
    """
    random = generator(0, stream)
    is_out = torch.zeros(len(labels), dtype=torch.bool)
    for label in torch.unique(labels).tolist():
        rows = (labels == label).nonzero().flatten()
        count = round(fraction * len(rows))
        if most is not None:
            count = min(count, most * len(rows) // len(labels))
        count = min(max(1, count), len(rows) - 1)
        is_out[rows[torch.randperm(len(rows), generator=random)[:count]]] = True
    return (~is_out).nonzero().flatten(), is_out.nonzero().flatten()


def with_validation(
    classes: tuple[str, ...], train: RawSplit, test: RawSplit, *, remedy: str = "", fill: float = 0.0
) -> Data:
    """Return data whose validation split is a fixed, stratified tenth of the official training split, at most 5,000."""
    pixels, labels = train
    rest, held_out = hold_out(labels, HELD_OUT, MAX_HELD_OUT)
    validation = (pixels[held_out], labels[held_out])
    return assemble(classes, (pixels[rest], labels[rest]), validation, test, remedy=remedy, fill=fill)


def assemble(
    classes: tuple[str, ...],
    train: RawSplit,
    validation: RawSplit,
    test: RawSplit,
    *,
    remedy: str = "",
    fill: float = 0.0,
) -> Data:
    """Return data standardised by channel with the mean and standard deviation of the training split.

    Raises ValueError where a label has no class, or where there is too little memory (see :func:`check_memory`).
    """
    parts = (train, validation, test)
    check_memory(sum(len(labels) for _, labels in parts), tuple(train[0].shape[1:]), remedy)
    for _, labels in parts:
        if not len(labels) or int(labels.min()) < 0 or int(labels.max()) >= len(classes):
            raise ValueError(f"these files are damaged: their labels are not those of {len(classes)} classes.")
    mean, std = moments(train[0])
    splits = [Split(standardise(pixels, mean, std), labels) for pixels, labels in parts]
    return Data(splits[0], splits[1], splits[2], classes, mean, std, fill)


def range_to_pixels(inputs: Tensor) -> tuple[tuple[float], tuple[float]]:
    """Return the mean and standard deviation with which the range of the inputs is drawn as 0 to 1."""
    low, high = float(inputs.min()), float(inputs.max())
    width = (high - low) or 1.0
    return (-low / width,), (1 / width,)


STANDARDISED = '''
    """Return {title} with a tenth of each class of the training set held out for validation."""
    {lines}
    rest, held_out = hold_out(labels, {held_out}, {most})
    mean, std = moments(pixels[rest])
    parts = ((pixels[rest], labels[rest]), (pixels[held_out], labels[held_out]), (test_pixels, test_labels))
    train, validation, test = (Split(standardise(images, mean, std), part_labels) for images, part_labels in parts)
    return Data(train, validation, test, {classes}, mean, std)
'''


def validation_code(title: str, lines: str, classes: str) -> str:
    """Return :func:`with_validation` as the function ``load_data`` of a script.

    Args:
        title: Of the data set.
        lines: Lines of code that give ``pixels``, ``labels``, ``test_pixels`` and ``test_labels``.
        classes: Code of the names of the classes.
    """
    indented = textwrap.indent(lines.strip(), "    ").strip()
    body = STANDARDISED.format(
        title=title, lines=indented, held_out=HELD_OUT, most=MAX_HELD_OUT, classes=classes
    )  # fmt: skip
    return f"def load_data() -> Data:{body}"


def check_memory(images: int, shape: tuple[int, ...], remedy: str) -> None:
    """Raise ValueError where so many images, as float32, take more than half of this machine's memory."""
    needed, memory = 4 * images * torch.Size(shape).numel(), total_memory()
    if memory and needed > memory / 2:
        raise ValueError(
            f"{images:,} images of {shape[-2]} × {shape[-1]} pixels take {format_bytes(needed)}, and this machine has "
            f"{format_bytes(memory)} of memory in all; {remedy or 'choose a smaller data set'}."
        )


def total_memory() -> int:
    """Return the bytes of memory of this machine or container; 0 if unknown."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 0
    try:
        return min(total, int(MEMORY_LIMIT.read_text(encoding="ascii")))
    except (OSError, ValueError):  # no container, or one without a limit ("max")
        return total
