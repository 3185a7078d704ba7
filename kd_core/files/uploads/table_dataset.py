"""Data sets of images, points, texts, or numbers and words from the rows of a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from kd_core.files.limits import MAX_CLASSES, MAX_STORED_BYTES, MAX_TEXT, RefusedError, quoted
from kd_core.files.text import END, to_inputs
from kd_core.files.uploads import columns
from kd_core.files.uploads.columns import MISSING, Profile, Roles, blocks, to_numbers
from kd_core.files.uploads.csv_reader import Row, Table
from kd_core.files.uploads.decode import stack_images
from kd_core.files.uploads.splits import FOLDERS
from kd_core.files.uploads.understanding import (
    MULTI_LABEL,
    REGRESSION,
    SEVERAL,
    Choices,
    Column,
    Examples,
    LeftOut,
    form_of,
    refuse_without,
    target_of,
)

MAX_NUMBER = 1e30  # beyond it, sums of squares of float32 numbers overflow
MAX_CODE = 1e15  # of a class that is a whole number, and may be written as 1.0
NO_LABEL = MISSING - {"na", "none", "nil", "missing", "-"}  # which may be the names of classes
MISSING_WORD = "missing"
SHOWN_ROWS = 5


def read(table: Table, choices: Choices) -> Examples:
    """Read the examples of a table as its columns and the choices suggest.

    The inputs are images (N, C, S, S) uint8, from S · S grey pixels or 3 · S · S colour values, all red ones before all
    green and all blue ones as in CIFAR; or rows (N, D) float64 of numbers, with NaN for missing ones, and of positions
    among the sorted words of their column, with -1; or code points (N, L) int32 of texts.

    Raises:
        RefusedError: The table cannot be understood, or is beyond a limit.
    """
    reader = Reader(table, choices)
    examples = reader.examples
    reader.read(choices)
    refuse_without(len(examples.labels), examples.left_out)
    return examples


def _is_one_hot(table: Table, labels: Sequence[int], width: int) -> bool:
    """Return whether every row has exactly one 1 in its label columns, which are one class then."""
    cells = ([row[at] for at in labels] for _, row in table.rows() if len(row) == width)
    return all(to_numbers(row).sum() == 1 for row in cells)


class Reader:
    """Reader of the rows of a table whose columns have their roles.

    Attributes:
        examples: With columns and notes, and the rows that have another number of cells than the others left out.
        roles: What the columns are.
    """

    def __init__(self, table: Table, choices: Choices, pictures: int | None = None) -> None:
        """Find the roles of the columns, of which that at ``pictures`` names image files.

        Raises RefusedError where the table cannot be understood.
        """
        profiles, left_out = columns.profile(table)
        roles = columns.roles(table, profiles, choices, pictures)
        if (
            target_of(roles.kind) == MULTI_LABEL
            and len(roles.labels) > 1
            and _is_one_hot(table, roles.labels, len(profiles))
        ):
            labels = tuple(table.names[at] for at in roles.labels)
            roles = columns.roles(table, profiles, replace(choices, label=labels, task="classification"), pictures)
        self._table, self._profiles, self.roles = table, profiles, roles
        self._target, self._form = target_of(roles.kind), form_of(roles.kind)
        words = roles.inputs if self._form in ("table", "points") else ()
        self._words = {at: sorted(profiles[at].values or ()) for at in words if not profiles[at].is_number}
        self._longest = 0  # characters of a text
        is_joined = self._target == MULTI_LABEL and len(roles.labels) == 1
        self._separator = columns.separator_of(profiles[roles.labels[0]]) if is_joined else ""
        self.examples = Examples(table.format, roles.kind, np.empty((0, 0)), [], [], left_out=left_out)
        self.examples.columns = [_column(at, one, roles, is_image=at == pictures) for at, one in enumerate(profiles)]
        self.examples.notes = _notes(profiles, roles, has_pixels=self._form == "images" and pictures is None)

    def read(self, choices: Choices) -> None:
        """Fill in the examples; rows that cannot be used are left out."""
        examples, is_images, is_text = self.examples, self._form == "images", self._form == "text"
        words = sum(len(values) for values in self._words.values())  # each is an input, and a missing one
        byte_count = len(self.roles.inputs) if is_images else 4 * (len(self.roles.inputs) + words)
        parts: list[np.ndarray] = []
        splits: list[int] = []
        for block in blocks(self._table.rows()):
            rows = [row for row in block if len(row[1]) == len(self._profiles)]
            matrix, problems = self._texts(rows) if is_text else self._matrix(rows)
            usable: list[int] = []
            for position, (line, cells) in enumerate(rows):
                where = self._table.place(line)
                label, reason = self.label(cells)
                if reason := reason or problems.get(position, ""):
                    examples.left_out.append(LeftOut(where, f"{where}{reason}"))
                    continue
                usable.append(position)
                examples.labels.append(label)
                examples.places.append(where)
                if len(examples.rows) < SHOWN_ROWS:
                    examples.rows.append(tuple(cells))
                if self.roles.split is not None:
                    splits.append(FOLDERS[cells[self.roles.split].strip().lower()])
            parts.append(matrix[usable].astype(np.uint8) if is_images else matrix[usable])
            byte_count = 4 * min(self._longest, MAX_TEXT) if is_text else byte_count
            if len(examples.labels) * byte_count > MAX_STORED_BYTES:
                raise RefusedError(f"its examples take more than {MAX_STORED_BYTES / 1e9:g} GB: give fewer lines.")
        examples.inputs = np.concatenate(parts)
        examples.given_splits = torch.tensor(splits) if splits else None
        if is_text and examples.labels:
            inputs, notes = to_inputs(examples.inputs.tolist())
            examples.inputs = inputs.numpy()
            examples.notes += notes
        if is_images and examples.labels:
            side, channels = columns.shape(len(self.roles.inputs))
            planes = examples.inputs.reshape(-1, channels, side, side)
            squares = [image.transpose(1, 2, 0) if channels == 3 else image[0] for image in planes]
            examples.inputs = stack_images(squares, choices.colour)

    def label(self, cells: Sequence[str]) -> tuple[str, str]:
        """Return the label of a row, and what is wrong with it."""
        labels = self.roles.labels
        if self._target == MULTI_LABEL:
            return self._several(cells)
        if len(labels) == 1:
            label = cells[labels[0]].strip()
            if label.lower() in NO_LABEL:
                what = "number" if self._target == REGRESSION else "name of the class"
                return "", f", column {labels[0] + 1:,} is empty: write the {what} there."
            if self._target == REGRESSION:
                number = to_numbers([label])[0]
                is_good = np.isfinite(number) and abs(number) <= MAX_NUMBER
                return (repr(float(number)), "") if is_good else ("", _problem(labels[0], label))
            if self._profiles[labels[0]].is_number and not label.isdecimal():
                number = to_numbers([label])[0]
                label = str(int(number)) if number == np.floor(number) and abs(number) < MAX_CODE else label
            return label, ""
        numbers = to_numbers([cells[at] for at in labels])
        if numbers.sum() != 1 or set(numbers.tolist()) != {0, 1}:
            return "", " has not exactly one 1 in its label columns: choose one class for it."
        return self._profiles[labels[int(numbers.argmax())]].name, ""

    def _several(self, cells: Sequence[str]) -> tuple[str, str]:
        """Return the labels of a row, with :data:`SEVERAL` between them, and what is wrong with it."""
        labels = self.roles.labels
        if len(labels) == 1:
            cell = cells[labels[0]].strip()
            if cell.lower() in NO_LABEL:
                return "", f", column {labels[0] + 1:,} is empty: write its labels there."
            return SEVERAL.join(dict.fromkeys(part.strip() for part in cell.split(self._separator))), ""
        numbers = to_numbers([cells[at] for at in labels])
        for at, number in zip(labels, numbers, strict=True):
            if number not in (0, 1):
                return "", f", column {at + 1:,}: {quoted(cells[at].strip())} is neither 0 nor 1: write one of them."
        return SEVERAL.join(self._profiles[at].name for at, number in zip(labels, numbers, strict=True) if number), ""

    def _texts(self, rows: Sequence[Row]) -> tuple[np.ndarray, dict[int, str]]:
        """Return the texts (N,) of some rows, and what is wrong, by position, with empty ones."""
        (at,) = self.roles.inputs
        texts = np.array([cells[at].replace(chr(END), " ").strip() for _, cells in rows], object)
        self._longest = max([self._longest, *map(len, texts)])
        return texts, {position: _problem(at, "") for position, text in enumerate(texts) if not text}

    def _matrix(self, rows: Sequence[Row]) -> tuple[np.ndarray, dict[int, str]]:
        """Return the inputs (N, D) float64 of some rows, and what is wrong, by position, with those that have none."""
        matrix = np.empty((len(rows), len(self.roles.inputs)))
        problems: dict[int, str] = {}
        is_images = self._form == "images"
        by_column = list(zip(*(cells for _, cells in rows), strict=True))
        for column, at in enumerate(self.roles.inputs if rows else ()):
            cells = by_column[at]
            if at in self._words:
                positions = {word: number for number, word in enumerate(self._words[at])}
                matrix[:, column] = [positions.get(cell.strip(), -1) for cell in cells]
                continue
            numbers = to_numbers(cells)
            if is_images:
                numbers = np.rint(numbers * 255) if self.roles.is_unit else numbers
                is_bad = ~((numbers >= 0) & (numbers <= 255) & (numbers == np.floor(numbers)))
            else:
                is_bad = np.isnan(numbers) | (np.abs(numbers) > MAX_NUMBER)
            matrix[:, column] = np.where(is_bad, np.nan, numbers)
            for position in np.flatnonzero(is_bad):
                cell = cells[position].strip()
                if (is_images or cell.lower() not in MISSING) and position not in problems:
                    problems[int(position)] = _problem(at, cell, is_images=is_images, is_unit=self.roles.is_unit)
        return matrix, problems


def _problem(at: int, cell: str, *, is_images: bool = False, is_unit: bool = False) -> str:
    place = f", column {at + 1:,}"
    if not cell:
        return f"{place} is empty: fill it in, or take the line out."
    if is_images:
        wanted = "number from 0 (black) to 1 (white)" if is_unit else "whole number from 0 (black) to 255 (white)"
        return f"{place}: {quoted(cell)} is not a pixel: write a {wanted}."
    number = to_numbers([cell])[0]
    if np.isnan(number):
        return f"{place}: {quoted(cell)} is not a number: write digits, with a point before decimals."
    if np.isinf(number):
        return f"{place}: {quoted(cell)} is not a finite number: correct it, or take the line out."
    return f"{place}: {quoted(cell)} is not between ±{MAX_NUMBER:g}: choose a larger unit."


def targets(examples: Examples, fewest: int) -> tuple[tuple[str, ...], Tensor]:
    """Return the names and the labels (N, K) of examples with several classes each, or (N, 1) float64 with a number.

    A class that fewer than ``fewest`` examples have, or that all have, is left out, and the examples stay.
    """
    if target_of(examples.kind) == REGRESSION:
        name = next((column.name for column in examples.columns if column.role == "label"), "number")
        numbers = torch.tensor([float(label) for label in examples.labels], dtype=torch.float64)
        if float(numbers.std()) <= 1e-9 * max(1.0, float(numbers.abs().max())):
            raise RefusedError(f"the numbers of {quoted(name)} are all the same, so there is nothing to predict.")
        return (name,), numbers[:, None]
    rows = [set(filter(None, label.split(SEVERAL))) for label in examples.labels]
    counts = Counter(name for row in rows for name in row)
    names = tuple(sorted(name for name, count in counts.items() if fewest <= count < len(rows)))
    for name in sorted(counts.keys() - set(names)):
        is_rare = counts[name] < fewest
        amount = f"{counts[name]:,} of the {fewest} examples that it needs" if is_rare else "all examples"
        examples.left_out.append(LeftOut(f"class {name}", f"the class {quoted(name)} has {amount}: leave it out."))
    if len(names) > MAX_CLASSES:
        raise RefusedError(f"it has {len(names):,} classes: give at most {MAX_CLASSES:,}.")
    if not names:
        raise RefusedError(f"none of its classes has {fewest} examples with it and one without it: add examples.")
    return names, torch.tensor([[int(name in row) for name in names] for row in rows])


def _column(at: int, one: Profile, roles: Roles, *, is_image: bool) -> Column:
    if at in roles.labels:
        return Column(one.name, "label")
    if at == roles.split:
        return Column(one.name, "split")
    if at in roles.ignored:
        return Column(one.name, "ignored", roles.ignored[at])
    if form_of(roles.kind) == "images":
        return Column(one.name, "image" if is_image else "pixel")
    if form_of(roles.kind) == "text":
        return Column(one.name, "text")
    return (
        Column(one.name, "number")
        if one.is_number
        else Column(one.name, "words", encoding={"values": sorted(one.values or ())})
    )


def _notes(profiles: Sequence[Profile], roles: Roles, *, has_pixels: bool) -> list[str]:
    """Return what was decided about values."""
    notes = []
    inputs = [profiles[at] for at in roles.inputs]
    if commas := [one.name for one in inputs if one.is_number and one.commas]:
        notes.append(f"Decimal commas of {_some(commas)} are read as points: 1,5 is 1.5.")
    for is_number, rule in ((True, "the median in training"), (False, f"a word of their own, “{MISSING_WORD}”")):
        is_table = form_of(roles.kind) not in ("images", "text")
        missing = [one for one in inputs if one.missing and one.is_number == is_number and is_table]
        if missing:
            count = sum(one.missing for one in missing)
            notes.append(f"{count:,} missing values of {_some([one.name for one in missing])} become {rule}.")
    if has_pixels:
        notes.append(f"The pixels are numbers from 0 to {'1' if roles.is_unit else '255'}.")
    if target_of(roles.kind) == REGRESSION:
        notes.append(
            f"The numbers of {quoted(profiles[roles.labels[0]].name)} are predicted as numbers; they can be taken as "
            "classes instead (task=classification)."
        )
    if target_of(roles.kind) == MULTI_LABEL and len(roles.labels) == 1:
        separator = columns.separator_of(profiles[roles.labels[0]])
        notes.append(f"The labels of an example are separated by {quoted(separator)}.")
    return notes


def _some(names: Sequence[str]) -> str:
    return quoted(names[0]) if len(names) == 1 else f"{len(names):,} columns, such as {quoted(names[0])},"


def encode(matrix: Tensor, of_inputs: Sequence[Column], is_train: Tensor) -> tuple[Tensor, list[Column]]:
    """Return the inputs (N, D) float32 of a table, and its columns with how they were made.

    Args:
        matrix: Numbers, and positions of words, (N, columns) float64; see :func:`read`.
        of_inputs: Columns that are inputs.
        is_train: Which examples (N,) are of the training split; statistics are of these alone.
    """
    inputs, encoded = [], []
    for column, cells in zip(of_inputs, matrix.T, strict=True):
        if column.role == "number":
            present = cells[is_train & ~cells.isnan()]
            median = float(np.median(present.numpy())) if len(present) else 0.0
            values = torch.where(cells.isnan(), median, cells)
            std, mean = torch.std_mean(values[is_train], correction=0)
            scale = {"mean": float(mean), "std": float(std) or 1.0, "median": median}
            inputs.append(values[:, None].float())
            encoded.append(replace(column, encoding=scale))
        else:
            words = [*column.encoding["values"], *([MISSING_WORD] if (cells < 0).any() else [])]
            positions = torch.where(cells < 0, len(words) - 1, cells).long()
            inputs.append(torch.nn.functional.one_hot(positions, len(words)).float())
            encoded.append(replace(column, encoding={"values": words}))
    return torch.cat(inputs, 1), encoded


def scales(of_inputs: Sequence[Column]) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation (D,) float64 of encoded inputs; those of words are 0 and 1."""
    mean, std = [], []
    for column in of_inputs:
        width = len(column.encoding.get("values", [None]))
        mean += [column.encoding.get("mean", 0.0)] * width
        std += [column.encoding.get("std", 1.0)] * width
    return torch.tensor(mean, dtype=torch.float64), torch.tensor(std, dtype=torch.float64)
