"""Class names of an upload, their numbers and order, and the minimum number of examples."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence

import torch
from torch import Tensor

from kd_core.files.limits import MAX_CLASSES, MAX_NAME_LENGTH, MIN_CLASS_EXAMPLES, RefusedError, is_printable, quoted

NO_CLASS = "none"  # stands for no class wherever a class can be chosen


class ClassNames:
    """Class names in the order in which they occur; :meth:`sort_and_relabel` sorts them at the end."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}  # by name as written
        self._names: list[str] = []  # normalized, by number
        self._written: dict[str | float, tuple[str, str]] = {}  # by comparison key: name as written, and where

    def __len__(self) -> int:
        return len(self._names)

    def number(self, written: str, where: str) -> int:
        """Return the number of the class with this name. Raises RefusedError for a bad or ambiguous name."""
        if (number := self._numbers.get(written)) is not None:
            return number
        name = unicodedata.normalize("NFC", written).strip()
        if not name:
            raise RefusedError(f"{where} has no class: write its name there.")
        if len(name) > MAX_NAME_LENGTH or not is_printable(name):
            raise RefusedError(
                f"{where}: {quoted(name)} cannot be a class name: use at most {MAX_NAME_LENGTH} printable characters."
            )
        if name == NO_CLASS:
            raise RefusedError(f'{where}: a class cannot be called "{NO_CLASS}", which means no class: rename it.')
        key = _comparison_key(name)
        if key in self._written:
            other, other_place = self._written[key]
            raise RefusedError(
                f"the names {quoted(other)} ({other_place}) and {quoted(written)} ({where}) differ only in capitals, "
                "spaces or the way a letter or a number is written: write them alike, or rename one of them."
            )
        if len(self._names) == MAX_CLASSES:
            raise RefusedError(
                f"{where} begins class number {MAX_CLASSES + 1:,}: give at most {MAX_CLASSES:,} classes."
            )
        self._written[key] = written, where
        self._numbers[written] = len(self._names)
        self._names.append(name)
        return self._numbers[written]

    def sort_and_relabel(self, labels: Tensor) -> tuple[tuple[str, ...], Tensor]:
        """Return the sorted names, integers by value, and ``labels`` (N,) int64 renumbered accordingly."""
        if len(self._names) < 2:
            content = f"one class, {quoted(self._names[0])}" if self._names else "no class"
            raise RefusedError(f"it holds only {content}: give at least two classes.")
        order = sorted(range(len(self._names)), key=lambda number: _sort_key(self._names[number]))
        new_numbers = torch.empty(len(order), dtype=torch.int64)
        new_numbers[torch.tensor(order)] = torch.arange(len(order))
        return tuple(self._names[number] for number in order), new_numbers[labels]


def _comparison_key(name: str) -> str | float:
    """Return a key that is equal for names that a reader could confuse."""
    try:
        number = float(name)
    except ValueError:
        number = math.nan
    if math.isfinite(number):
        return number
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).split())


def _sort_key(name: str) -> tuple[bool, int, str, str]:
    is_integer = name.isdecimal()
    return not is_integer, int(name) if is_integer else 0, name.casefold(), name


def check_counts(classes: Sequence[str], labels: Tensor, first: Tensor) -> None:
    """Check that each class has enough different examples.

    Args:
        classes: Class names.
        labels: Labels (N,) int64.
        first: Positions (N,) that :func:`~kd_core.files.uploads.duplicates.first_occurrences` returned.

    Raises:
        RefusedError: A class has fewer than the minimum.
    """
    different = labels[first == torch.arange(len(first))]
    counts = torch.bincount(different, minlength=len(classes)).tolist()
    too_few = [
        f"{quoted(name)} has {count}" for name, count in zip(classes, counts, strict=True) if count < MIN_CLASS_EXAMPLES
    ]
    if too_few:
        more = f" (and {len(too_few) - 3} more have too few)" if len(too_few) > 3 else ""
        raise RefusedError(
            f"each class needs at least {MIN_CLASS_EXAMPLES} examples that differ, since there are three splits, and "
            f"{', '.join(too_few[:3])}{more}: add examples, or leave the class out."
        )
