"""The names of the classes: tidied, told apart, counted, and put in order."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence

import torch
from torch import Tensor

from kd_core.files.limits import CLASSES, FEWEST, NAME, RefusedError, is_printable, quoted

NOTHING = "none"  # stands for no class wherever a class can be chosen


class ClassNames:
    """Numbers the names as they come; :meth:`sort_and_relabel` renumbers them as they are sorted."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}  # of the names as they are written
        self._tidy: list[str] = []
        self._first: dict[str | float, tuple[str, str]] = {}  # what tells names apart: as written, and where

    def __len__(self) -> int:
        return len(self._tidy)

    def number(self, written: str, where: str) -> int:
        """The number of the class called ``written``. Raises RefusedError for a bad or ambiguous name."""
        if (known := self._numbers.get(written)) is not None:
            return known
        tidy = unicodedata.normalize("NFC", written).strip()
        if not tidy:
            raise RefusedError(f"{where} has no class: write its name there.")
        if len(tidy) > NAME or not is_printable(tidy):
            raise RefusedError(
                f"{where}: {quoted(tidy)} is no name of a class: choose at most {NAME} printable characters."
            )
        if tidy == NOTHING:
            raise RefusedError(f'{where}: a class cannot be called "{NOTHING}", which means no class: rename it.')
        apart = _apart(tidy)
        if apart in self._first:
            other, there = self._first[apart]
            raise RefusedError(
                f"the names {quoted(other)} ({there}) and {quoted(written)} ({where}) differ only in capitals, "
                "spaces or the way a letter or a number is written: write them alike, or rename one of them."
            )
        if len(self._tidy) == CLASSES:
            raise RefusedError(f"{where} begins class number {CLASSES + 1:,}: give at most {CLASSES:,} classes.")
        self._first[apart] = written, where
        self._numbers[written] = len(self._tidy)
        self._tidy.append(tidy)
        return self._numbers[written]

    def sort_and_relabel(self, labels: Tensor) -> tuple[tuple[str, ...], Tensor]:
        """The names as they are sorted, whole numbers by size, and ``labels`` (N,) int64 renumbered accordingly."""
        if len(self._tidy) < 2:
            only = f"one class, {quoted(self._tidy[0])}" if self._tidy else "no class"
            raise RefusedError(f"it holds only {only}: give at least two, so that there is something to tell apart.")
        order = sorted(range(len(self._tidy)), key=lambda number: _rank(self._tidy[number]))
        renumbered = torch.empty(len(order), dtype=torch.int64)
        renumbered[torch.tensor(order)] = torch.arange(len(order))
        return tuple(self._tidy[number] for number in order), renumbered[labels]


def _apart(tidy: str) -> str | float:
    """Equal for two names that a reader could take for one."""
    try:
        number = float(tidy)
    except ValueError:
        number = math.nan
    if math.isfinite(number):
        return number
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", tidy).casefold()).split())


def _rank(tidy: str) -> tuple[bool, int, str, str]:
    is_whole = tidy.isdecimal()
    return not is_whole, int(tidy) if is_whole else 0, tidy.casefold(), tidy


def check_counts(classes: Sequence[str], labels: Tensor, first: Tensor) -> None:
    """Raises RefusedError where a class has too few different examples; ``first``: see :func:`first_occurrences`."""
    different = labels[first == torch.arange(len(first))]
    counts = torch.bincount(different, minlength=len(classes)).tolist()
    scarce = [f"{quoted(name)} has {count}" for name, count in zip(classes, counts, strict=True) if count < FEWEST]
    if scarce:
        more = f" (and {len(scarce) - 3} more are short)" if len(scarce) > 3 else ""
        raise RefusedError(
            f"each class needs at least {FEWEST} examples that differ, since there are three splits, and "
            f"{', '.join(scarce[:3])}{more}: add examples, or leave the class out."
        )
