"""What was understood of a file before anything of it is stored, and the choices that change it."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from torch import Tensor

from kd_core.files.limits import LARGEST, SMALLEST, RefusedError, quoted

COLOURS = ("auto", "grey", "colour")
KINDS = ("auto", "images", "table", "text")
TASKS = ("auto", "classification", "language")
PIXELS = 32
LISTED = 10  # left-out examples that a message or a page names; all are in the CSV file
SPLITS = ("train", "validation", "test")

CONTENT = {
    "images": "images with one class each",
    "masks": "images with masks",
    "points": "points of two numbers with one class each",
    "table": "rows of numbers and words with one class each",
    "multi-label": "rows of numbers and words with any number of labels each",
    "multi-label images": "images with any number of labels each",
    "multi-label text": "texts with any number of labels each",
    "regression": "rows with a number to be predicted",
    "regression images": "images with a number each, which is to be predicted",
    "regression text": "texts with a number each, which is to be predicted",
    "text": "texts with one class each",
    "passages": "running text",
    "boxes": "objects with a class and a box",
}
TASK_OF = {  # name of the task by kind
    "images": "classification",
    "masks": "segmentation",
    "points": "classification",
    "table": "classification",
    "multi-label": "multi_label",
    "multi-label images": "multi_label",
    "multi-label text": "text_multi_label",
    "regression": "regression",
    "regression images": "regression",
    "regression text": "text_regression",
    "text": "text_classification",
    "passages": "language",
    "boxes": "detection",
}
SEVERAL = "\n"  # between the classes of one example
RUNNING = "passages"  # the kind without examples or classes
MULTI_LABEL, REGRESSION = "multi-label", "regression"


def target_of(kind: str) -> str:
    """Return :data:`MULTI_LABEL` or :data:`REGRESSION`, empty for examples of one class and all others."""
    return next((target for target in (MULTI_LABEL, REGRESSION) if kind.startswith(target)), "")


def form_of(kind: str) -> str:
    """Return what an input is, such as "images", "text" or "table", whatever is said of it."""
    return kind.removeprefix(target_of(kind)).strip() or "table"


@dataclass(frozen=True)
class Choices:
    """What the user decides about a file. The defaults leave it to the reader.

    Raises ValueError for a value that is not allowed, with the name, the value and what is.
    """

    label: tuple[str, ...] = ()  # columns; several of 0 and 1 are classes or labels of their own
    ignore: tuple[str, ...] | None = None  # columns that are no inputs; None ignores the proposed ones
    pixels: int = PIXELS  # per side of images from files
    colour: str = "auto"  # grey if all images are
    names: tuple[tuple[str, str], ...] = ()  # (as written, as wanted) of classes; equal ones become one class
    # Whether a table of pixels is one of images, and whether its longest column is a text. Of images in folders with a
    # table beside them "images" takes the folders for the classes, and "table" the labels of the table.
    kind: str = "auto"
    task: str = "auto"  # "classification" takes a label of many numbers as classes, "language" a file as running text
    leave_out: bool = False  # what cannot be used, instead of refusing the file

    def __post_init__(self) -> None:
        if isinstance(self.pixels, bool) or not isinstance(self.pixels, int) or not SMALLEST <= self.pixels <= LARGEST:
            raise ValueError(f"pixels = {self.pixels}: choose a whole number from {SMALLEST} to {LARGEST}.")
        for name, allowed in (("colour", COLOURS), ("kind", KINDS), ("task", TASKS)):
            if getattr(self, name) not in allowed:
                raise ValueError(f'{name} = "{getattr(self, name)}": choose one of {", ".join(allowed)}.')

    @classmethod
    def from_texts(cls, texts: Mapping[str, str], *, leave_out: bool = False) -> Choices:
        """Return the choices of ``name=value`` settings; lists have commas, and names are ``written:wanted``."""
        allowed = [field.name for field in fields(cls) if field.name != "leave_out"]
        values: dict[str, Any] = dict(texts)
        for name, text in texts.items():
            if name not in allowed:
                raise ValueError(f"{name} = {text}: there is no such choice; choose among {', '.join(allowed)}.")
            if name in ("label", "ignore", "names"):
                values[name] = tuple(cell.strip() for cell in next(csv.reader([text]), []) if cell.strip())
            if name == "names":
                pairs = [tuple(part.strip() for part in pair.split(":")) for pair in values[name]]
                if any(len(pair) != 2 or not all(pair) for pair in pairs):
                    raise ValueError(f"names = {text}: write pairs such as Cat:cat,Dog:dog.")
                values[name] = tuple(pairs)
            if name == "pixels":
                values[name] = int(text) if text.isdecimal() else text
        return cls(**values, leave_out=leave_out)


@dataclass(frozen=True)
class LeftOut:
    """Something that cannot be used, such as a file, a row or a class."""

    where: str
    reason: str


@dataclass(frozen=True)
class Column:
    """Column of a table with its role, which is label, split, number, words, text, pixel, image or ignored."""

    name: str
    role: str
    detail: str = ""  # why it is ignored, or what happens to it
    encoding: Mapping[str, Any] = field(default_factory=dict)  # statistics of numbers, values of words


@dataclass(frozen=True)
class Understanding:
    """What a file holds and what would be stored of it. Nothing is stored yet."""

    name: str  # of the file
    format: str
    kind: str  # a key of CONTENT
    choices: Choices
    columns: tuple[Column, ...] = ()  # none for images in folders
    left_out: tuple[LeftOut, ...] = ()
    passed_over: tuple[str, ...] = ()  # hidden and system files, and files that are no images by name
    notes: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()  # the first rows of a table, as written
    classes: tuple[str, ...] = ()
    counts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # examples of each class by split
    sizes: Mapping[str, int] = field(default_factory=dict)  # examples by split, each of which has any number of classes
    given_splits: tuple[str, ...] = ()  # splits that the file gives; the others are drawn from the training split
    copies: int = 0  # examples equal to an earlier one, which are in its split
    across: int = 0  # training or validation examples taken out, since a split nearer to the test holds them as well
    contradictory: int = 0  # examples equal to one of another class
    normalisation: str = ""
    characters: int = 0  # of a running text
    summary: str = ""  # of a running text, its size in words
    thumbnails: tuple[tuple[str, np.ndarray], ...] = ()  # class and picture (S, S) or (S, S, 3) uint8
    tensors: Mapping[str, Tensor] = field(default_factory=dict, repr=False)  # inputs, labels and splits (N,); or UTF-8

    @property
    def task(self) -> str:
        """Name of the task that takes these examples."""
        return TASK_OF[self.kind]

    @property
    def headline(self) -> str:
        """Format, number and kind of the examples, and the number of classes, as a sentence."""
        if self.summary:
            return f"{self.format}: {self.summary}."
        count = sum(self.examples.values())
        classes = "" if target_of(self.kind) == REGRESSION else f", {len(self.classes)} classes"
        return f"{self.format}: {count:,} {CONTENT[self.kind]}{classes}."

    @property
    def examples(self) -> Mapping[str, int]:
        """Number of examples by split."""
        return self.sizes or {split: sum(counts) for split, counts in self.counts.items()}

    @property
    def label(self) -> tuple[str, ...]:
        """Names of the label columns; none for images in folders."""
        return tuple(column.name for column in self.columns if column.role == "label")

    @property
    def ignored(self) -> tuple[str, ...]:
        """Names of the ignored columns."""
        return tuple(column.name for column in self.columns if column.role == "ignored")

    @property
    def obstacle(self) -> str:
        """Why the file cannot be stored with these choices, as a sentence; empty if it can."""
        if self.left_out and not self.choices.leave_out:
            reason = self.left_out[0].reason.rstrip(".")
            first = "since" if len(self.left_out) == 1 else "the first since"
            return f"{_things(self.left_out)} cannot be used, {first} {reason}; or have what cannot be used left out."
        return ""

    @property
    def findings(self) -> list[str]:
        """Sentences on copies, on what was left out or ignored, and on what was decided about values."""
        drawn = [split for split in SPLITS if split not in self.given_splits] if self.given_splits else []
        sentences = []
        if self.copies:
            sentences.append(f"{_number(self.copies, 'example')} the same as an earlier one; copies are in one split.")
        if self.across:
            sentences.append(
                f"{_number(self.across, 'example')} taken out of training or validation, since a split nearer to the "
                "test holds the same."
            )
        if self.contradictory:
            other = "with another label" if target_of(self.kind) else "of another class"
            sentences.append(f"{_number(self.contradictory, 'example')} the same as one {other}.")
        if drawn:
            sentences.append(f"The {' and '.join(drawn)} split is drawn from the training split.")
        if self.left_out and self.choices.leave_out:
            sentences.append(f"Left out: {_things(self.left_out)}.")
        if self.passed_over:
            count = _number(len(self.passed_over), "hidden, system or other file")
            sentences.append(f"{count} ignored, such as {quoted(self.passed_over[0])}.")
        return [*sentences, *self.notes]

    def as_dict(self) -> dict[str, Any]:
        """Return the understanding as values that JSON can hold."""
        label = self.label
        return {
            "file": self.name,
            "format": self.format,
            "kind": self.kind,
            "task": self.task,
            "label": label[0] if len(label) == 1 else list(label) or None,
            "characters": self.characters,
            "columns": [{"name": one.name, "role": one.role, "detail": one.detail} for one in self.columns],
            "ignored": list(self.ignored),
            "classes": {
                name: sum(counts[number] for counts in self.counts.values()) for number, name in enumerate(self.classes)
            },
            "splits": {
                split: {"examples": self.examples[split], "given": split in self.given_splits, "classes": list(counts)}
                for split, counts in self.counts.items()
            },
            "duplicates": {"copies": self.copies, "across_splits": self.across, "contradictory": self.contradictory},
            "left_out": [{"where": one.where, "reason": one.reason} for one in self.left_out],
            "passed_over": len(self.passed_over),
            "normalisation": self.normalisation,
            "notes": list(self.notes),
            "obstacle": self.obstacle,
        }


def _number(count: int, noun: str) -> str:
    return f"1 {noun} is" if count == 1 else f"{count:,} {noun}s are"


def _things(left_out: Sequence[LeftOut]) -> str:
    return "1 file, row or class" if len(left_out) == 1 else f"{len(left_out):,} files, rows or classes"


@dataclass
class Examples:
    """Examples of a file before class names are sorted and splits are drawn."""

    format: str
    kind: str
    inputs: np.ndarray  # (N, C, S, S) uint8, or (N, D) float64 with NaN for missing numbers, or code points (N, L)
    labels: list[str]  # class of each example as written; a number of a regression; several with SEVERAL between them
    places: list[str]  # path or line of each example
    given_splits: Tensor | None = None  # (N,) positions in SPLITS
    left_out: list[LeftOut] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def select(self, is_kept: Tensor) -> None:
        """Keep some examples, of which ``is_kept`` (N,) is true."""
        self.inputs = self.inputs[is_kept.numpy()]
        self.labels = [label for label, keep in zip(self.labels, is_kept, strict=True) if keep]
        self.places = [place for place, keep in zip(self.places, is_kept, strict=True) if keep]
        self.given_splits = self.given_splits if self.given_splits is None else self.given_splits[is_kept]


def refuse_without(count: int, left_out: list[LeftOut]) -> None:
    """Raise RefusedError if at most half of the examples, ``count``, can be used, since the file was misunderstood."""
    if left_out and count <= len(left_out):
        total = count + len(left_out)
        raise RefusedError(
            f"{len(left_out):,} of its {total:,} examples cannot be used, the first since {left_out[0].reason}"
        )
