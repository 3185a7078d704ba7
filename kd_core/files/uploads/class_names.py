"""Class names of an upload and their order, and the minimum number of examples."""

from __future__ import annotations

import math
import unicodedata

import torch
from torch import Tensor

from kd_core.files.limits import MAX_CLASSES, MAX_NAME_LENGTH, RefusedError, is_printable, quoted
from kd_core.files.uploads.splits import TRAIN
from kd_core.files.uploads.understanding import SPLITS

NO_CLASS = "none"  # stands for no class wherever a class can be chosen


class ClassNames:
    """Class names in the order in which they occur; :meth:`sort_and_relabel` sorts them at the end."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}  # by name as written
        self._names: list[str] = []  # normalized, by number
        self._written: dict[str | float, tuple[str, str]] = {}  # by comparison key: name as written, and where

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, number: int) -> str:
        return self._names[number]

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
        """Return the names as torchvision's ImageFolder sorts them, and ``labels`` (N,) int64 renumbered accordingly.

        Names with examples alone are returned.
        """
        order = sorted(set(labels.tolist()), key=lambda number: self._names[number])
        if len(order) < 2:
            content = f"one class, {quoted(self._names[order[0]])}" if order else "no class"
            raise RefusedError(f"it holds only {content}: give at least two classes.")
        new_numbers = torch.empty(len(self._names), dtype=torch.int64)
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


def small_classes(
    names: ClassNames, labels: Tensor, first: Tensor, given_splits: Tensor | None, fewest: int
) -> dict[int, str]:
    """Return the reason, by number, for every class without enough different examples in some split.

    Args:
        names: Class names.
        labels: Numbers (N,) int64 of the classes.
        first: Positions (N,) that :func:`~kd_core.files.uploads.splits.first_occurrences` returned.
        given: Splits (N,) that are given; None if none are.
        fewest: Different examples that a class needs where no splits are given.
    """
    is_first = first == torch.arange(len(first))
    size, present = len(names), set(labels.tolist())  # the only example of a class may be a copy of another class's
    if given_splits is None:
        counts = torch.bincount(labels[is_first], minlength=size).tolist()
        return {
            number: f"each class needs at least {fewest} examples that differ, since there are three splits, and "
            f"{quoted(names[number])} has {count}: add examples, or leave the class out."
            for number, count in enumerate(counts)
            if number in present and count < fewest
        }
    reasons: dict[int, str] = {}
    for split in sorted(set(given_splits.tolist()) | {TRAIN}):
        counts = torch.bincount(labels[is_first & (given_splits == split)], minlength=size).tolist()
        needed = 1 + len(SPLITS) - len(set(given_splits.tolist())) if split == TRAIN else 1
        for number in present:
            if not counts[number]:
                reasons.setdefault(
                    number,
                    f"the class {quoted(names[number])} is not in every split, since the {SPLITS[split]} split has no "
                    "example of its own: give all splits the same classes.",
                )
            elif counts[number] < needed:
                reasons.setdefault(
                    number,
                    f"the class {quoted(names[number])} has {counts[number]} of the {needed} different training "
                    "examples that it needs, since another split is drawn from them: add examples.",
                )
    return reasons


def join_reasons(reasons: list[str]) -> str:
    """Return the first reason, and of how many classes more it is true."""
    more = f" {len(reasons) - 1:,} more classes have too few." if len(reasons) > 1 else ""
    return reasons[0] + more
