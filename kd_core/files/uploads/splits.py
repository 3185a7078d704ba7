"""Splits that are given or drawn, with exact copies of an example in one of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kd_core.base.seeds import generator

TRAIN, VALIDATION, TEST = 0, 1, 2
HELD_OUT = 0.15  # of each class, for validation and again for test; at least one example
FOLDERS = {  # names of folders, and of values in a column, by split
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "dev"), VALIDATION),
    **dict.fromkeys(("test", "testing"), TEST),
}


def first_occurrences(inputs: Tensor, labels: Tensor | None = None) -> Tensor:
    """Return for each example the position of the first one with the same input, and label if these are given.

    Args:
        inputs: Inputs (N, ...).
        labels: Labels (N,).

    Returns:
        Positions (N,) int64.
    """
    positions: dict[tuple[int, bytes], int] = {}  # by label and digest of the input
    rows = inputs.flatten(1).contiguous().numpy()
    numbers = [0] * len(rows) if labels is None else labels.tolist()
    first = [
        positions.setdefault((label, hashlib.blake2b(row, digest_size=16).digest()), position)
        for position, (row, label) in enumerate(zip(rows, numbers, strict=True))
    ]
    return torch.tensor(first, dtype=torch.int64)


def across_splits(first: Tensor, given_splits: Tensor) -> Tensor:
    """Return which examples (N,) have a copy in a split that is nearer to the test.

    Without them every copy of an example is in one of the ``given`` splits (N,), and the test split is as it was given.
    """
    nearest = torch.zeros_like(first).scatter_reduce(0, first, given_splits, "amax")
    return given_splits < nearest[first]


@dataclass(frozen=True)
class Copies:
    """Copies among examples, and the splits that these have."""

    stated: tuple[int, ...]  # splits that the file gives
    is_across: Tensor  # (N,) bool, see :func:`across_splits`; none where no splits are given
    contradictory: int  # examples with another label than the first one with the same input

    @property
    def missing(self) -> list[int]:
        """Splits that are drawn."""
        return [number for number in (TEST, VALIDATION) if number not in self.stated]


def find_copies(first: Tensor, labels: Tensor, given_splits: Tensor | None) -> Copies:
    """Return the copies of examples, given first occurrences (N,), labels (N, ...) and splits (N,) if there are any."""
    contradictory = int((labels != labels[first]).reshape(len(labels), -1).any(1).sum())
    if given_splits is None:
        return Copies((), torch.zeros_like(first, dtype=torch.bool), contradictory)
    return Copies(tuple(sorted(set(given_splits.tolist()))), across_splits(first, given_splits), contradictory)


def draw(
    first: Tensor,
    labels: Tensor,
    random: torch.Generator,
    missing: Sequence[int] = (TEST, VALIDATION),
    given_splits: Tensor | None = None,
) -> Tensor:
    """Return the split (N,) of each example, with the ``missing`` ones drawn from the training split by class.

    ``first`` is from :func:`first_occurrences`; copies of an example get its split.
    """
    split = torch.zeros(len(labels), dtype=torch.int64) if given_splits is None else given_splits.clone()
    candidates = (first == torch.arange(len(first))) & (split == TRAIN)
    for number in range(int(labels.max()) + 1):
        rows = (candidates & (labels == number)).nonzero().flatten()
        rows = rows[torch.randperm(len(rows), generator=random)]
        count = max(1, round(HELD_OUT * len(rows)))
        for position, drawn in enumerate(missing):
            split[rows[position * count : (position + 1) * count]] = drawn
    return split[first]


Draw = Callable[[Tensor, Tensor, Sequence[int], Tensor | None], Tensor]


def draw_splits(first: Tensor, labels: Tensor, missing: Sequence[int], given_splits: Tensor | None) -> Tensor:
    """Return the split (N,) of each example, with 15 % of each class for validation and for test; see :func:`draw`."""
    return draw(first, labels, generator(0, "upload"), missing, given_splits)
