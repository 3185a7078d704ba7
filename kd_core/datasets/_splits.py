"""Three splits from what a source gives: a validation split held out, inputs standardised, memory minded."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from kd_core.base.seeds import generator
from kd_core.datasets import Data, Split, standardise
from kd_core.files.archive import format_bytes

HELD_OUT = 0.1  # of the official training split, for validation
MOST_HELD_OUT = 5_000  # examples
LIMIT = Path("/sys/fs/cgroup/memory.max")  # of a container, on Linux

RawSplit = tuple[Tensor, Tensor]  # pixels (N, C, H, W) uint8, labels (N,) int64


def hold_out(
    labels: Tensor, fraction: float, most: int | None = None, stream: str = "validation"
) -> tuple[Tensor, Tensor]:
    """Positions that stay and positions that are held out, a ``fraction`` of each class and at most ``most`` in all.

    However few there are, one of every class is held out and one stays; the choice is the same at every call.
    """
    chance = generator(0, stream)
    is_out = torch.zeros(len(labels), dtype=torch.bool)
    for label in torch.unique(labels).tolist():
        rows = (labels == label).nonzero().flatten()
        taken = round(fraction * len(rows))
        if most is not None:
            taken = min(taken, most * len(rows) // len(labels))
        taken = min(max(1, taken), len(rows) - 1)
        is_out[rows[torch.randperm(len(rows), generator=chance)[:taken]]] = True
    return (~is_out).nonzero().flatten(), is_out.nonzero().flatten()


def with_validation(
    classes: tuple[str, ...], train: RawSplit, test: RawSplit, *, remedy: str = "", fill: float = 0.0
) -> Data:
    """Data whose validation split is a fixed, stratified tenth of the official training split, at most 5,000."""
    pixels, labels = train
    rest, held = hold_out(labels, HELD_OUT, MOST_HELD_OUT)
    out = (pixels[held], labels[held])
    return assemble(classes, (pixels[rest], labels[rest]), out, test, remedy=remedy, fill=fill)


def assemble(
    classes: tuple[str, ...],
    train: RawSplit,
    validation: RawSplit,
    test: RawSplit,
    *,
    remedy: str = "",
    fill: float = 0.0,
) -> Data:
    """Data with mean and standard deviation taken from the pixels of the training split, channel by channel.

    Raises ValueError where a label has no class, or where there is too little memory (see :func:`check_memory`).
    """
    parts = (train, validation, test)
    check_memory(sum(len(labels) for _, labels in parts), tuple(train[0].shape[1:]), remedy)
    for _, labels in parts:
        if not len(labels) or int(labels.min()) < 0 or int(labels.max()) >= len(classes):
            raise ValueError(f"these files are damaged: their labels are not those of {len(classes)} classes.")
    mean, std = moments(train[0])
    learn, choose, judge = (Split(standardise(pixels, mean, std), labels) for pixels, labels in parts)
    return Data(learn, choose, judge, classes, mean, std, fill)


def moments(pixels: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation by channel of bytes (N, C, H, W), as of numbers in [0, 1]; exact, by counting."""
    means, stds = [], []
    values = np.arange(256) / 255
    for channel in range(pixels.shape[1]):
        counts = np.zeros(256, np.int64)
        for some in torch.split(pixels[:, channel], 512):  # bincount makes int64 of the bytes
            counts += np.bincount(some.numpy().ravel(), minlength=256)
        share = counts / counts.sum()
        mean = float(share @ values)
        means.append(mean)
        # One grey level alone has no spread; 1 leaves it at zero.
        stds.append(float(share @ (values - mean) ** 2) ** 0.5 or 1.0)
    return tuple(means), tuple(stds)


def check_memory(images: int, shape: tuple[int, ...], remedy: str) -> None:
    """Raises ValueError where so many images, as float32, take more than half of this machine's memory."""
    needed, there = 4 * images * torch.Size(shape).numel(), total_memory()
    if there and needed > there / 2:
        raise ValueError(
            f"{images:,} images of {shape[-2]} × {shape[-1]} pixels take {format_bytes(needed)}, and this machine has "
            f"{format_bytes(there)} of memory in all; {remedy or 'choose a smaller data set'}."
        )


def total_memory() -> int:
    """Bytes of memory of this machine, or of the container; 0 if the system does not say."""
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 0
    try:
        return min(whole, int(LIMIT.read_text(encoding="ascii")))
    except (OSError, ValueError):  # no container, or one without a limit ("max")
        return whole
