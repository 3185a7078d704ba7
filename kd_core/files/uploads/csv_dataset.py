"""Tables of points and of pixels, told apart by the number of their columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from kd_core.files.limits import KEPT, LARGEST, SMALLEST, RefusedError
from kd_core.files.uploads import csv_reader
from kd_core.files.uploads.class_names import ClassNames
from kd_core.files.uploads.csv_reader import Row
from kd_core.files.uploads.decode import stack_images

FARTHEST = 1e9  # from 0: beyond it, float32 keeps less than the third digit before the point
NARROWEST = 1e-5  # spread of a column per size of its numbers, for the same reason


def read(file: BinaryIO, names: ClassNames, colour: str) -> tuple[Tensor, Tensor]:
    """Inputs and labels (N,) int64 of a table; ``names`` learns the classes.

    Points (N, 2) float32 of three columns; else images (N, C, S, S) uint8 of the label and S · S grey pixels, or
    3 · S · S of them: all red ones, all green ones, all blue ones, as in CIFAR.
    """
    found = csv_reader.open_table(file)
    if found.width == 3:
        return _points(found.rows, 2 if found.label_column is None else found.label_column, names)
    return _images(found.rows, found.label_column or 0, found.width - 1, names, colour)


def _points(rows: Iterator[Row], place: int, names: ClassNames) -> tuple[Tensor, Tensor]:
    points, labels = [], []
    columns = [column for column in range(3) if column != place]
    for line, row in rows:
        labels.append(names.number(row[place], f"line {line:,}"))
        points.append([_coordinate(line, column, row[column]) for column in columns])
    inputs = torch.tensor(points, dtype=torch.float32).reshape(-1, 2)
    for column, values in zip(columns, inputs.double().T, strict=True):
        if len(values) and float(values.std(correction=0)) <= max(NARROWEST * float(values.abs().max()), 1e-30):
            raise RefusedError(
                f"the numbers in column {column + 1} are all the same, or nearly so for their size: subtract what they "
                "have in common, or choose another column."
            )
    return inputs, torch.tensor(labels, dtype=torch.int64)


def _coordinate(line: int, column: int, cell: str) -> float:
    if not csv_reader.is_number(cell):
        raise csv_reader.cell_error(line, column, cell, "a number: write digits, with a point before decimals")
    value = float(cell)
    if not math.isfinite(value):
        raise csv_reader.cell_error(line, column, cell, "a finite number: correct it, or take the line out")
    if abs(value) > FARTHEST:
        raise csv_reader.cell_error(line, column, cell, f"between ±{FARTHEST:,.0f}: choose a larger unit")
    return value


def _images(rows: Iterator[Row], place: int, count: int, names: ClassNames, colour: str) -> tuple[Tensor, Tensor]:
    side, channels = _square(count)
    pixels, labels = bytearray(), []
    for line, row in rows:
        label = row.pop(place)
        labels.append(names.number(label, f"line {line:,}"))
        pixels += _bytes(row, lambda column: column + (column >= place), line)
        if len(pixels) > KEPT:
            raise RefusedError(f"its images take more than {KEPT / 1e9:g} GB: give fewer lines.")
    shape = (-1, channels, side, side)
    planes = np.frombuffer(pixels, np.uint8).reshape(shape) if labels else np.empty((0, *shape[1:]), np.uint8)
    squares = [image.transpose(1, 2, 0) if channels == 3 else image[0] for image in planes]
    inputs = stack_images(squares, colour) if squares else planes
    return torch.from_numpy(inputs), torch.tensor(labels, dtype=torch.int64)


def _square(count: int) -> tuple[int, int]:
    """Side and channels of an image of ``count`` numbers."""
    for channels in (1, 3):
        side = math.isqrt(count // channels)
        if side * side * channels == count and SMALLEST <= side <= LARGEST:
            return side, channels
    raise RefusedError(
        f"its lines have {count + 1:,} columns: give three for points (x, y, label), or a label and n · n or 3 · n · n "
        f"pixels for images, with n from {SMALLEST} to {LARGEST}."
    )


def _bytes(cells: Sequence[str], place: Callable[[int], int], line: int) -> bytes:
    """Pixels as numbers from 0 to 255; ``place`` gives the column in the file."""
    try:
        values = bytes(map(int, cells))
    except ValueError:  # a decimal point, or worse
        values = bytes(_pixel(cell, place(column), line) for column, cell in enumerate(cells))
    if "_" in "".join(cells):  # which Python takes for a part of a number
        column = next(column for column, cell in enumerate(cells) if "_" in cell)
        raise _no_pixel(line, place(column), cells[column])
    return values


def _pixel(cell: str, column: int, line: int) -> int:
    value = float(cell) if csv_reader.is_number(cell) else math.nan
    if not 0 <= value <= 255 or value != int(value):
        raise _no_pixel(line, column, cell)
    return int(value)


def _no_pixel(line: int, column: int, cell: str) -> RefusedError:
    return csv_reader.cell_error(line, column, cell, "a pixel: write a whole number from 0 (black) to 255 (white)")
