"""Data sets of points or pixel images from the rows of a CSV file, depending on the number of columns."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from kd_core.files.limits import LARGEST, MAX_STORED_BYTES, SMALLEST, RefusedError
from kd_core.files.uploads import csv_reader
from kd_core.files.uploads.class_names import ClassNames
from kd_core.files.uploads.csv_reader import Row
from kd_core.files.uploads.decode import stack_images

MAX_COORDINATE = 1e9  # beyond it, neighbouring float32 numbers lie more than 64 apart
MIN_RELATIVE_SPREAD = 1e-5  # standard deviation of a column per largest absolute value, for the same reason


def read(file: BinaryIO, names: ClassNames, colour: str) -> tuple[Tensor, Tensor]:
    """Read the inputs and labels (N,) int64 of a table; its classes are added to ``names``.

    Three columns are points (N, 2) float32 and a label. Others are a label and images (N, C, S, S) uint8, as S · S grey
    pixels or 3 · S · S colour values, all red ones before all green and all blue ones, as in CIFAR.
    """
    table = csv_reader.open_table(file)
    if table.width == 3:
        return _points(table.rows, 2 if table.label_column is None else table.label_column, names)
    return _images(table.rows, table.label_column or 0, table.width - 1, names, colour)


def _points(rows: Iterator[Row], label_column: int, names: ClassNames) -> tuple[Tensor, Tensor]:
    points, labels = [], []
    columns = [column for column in range(3) if column != label_column]
    for line, row in rows:
        labels.append(names.number(row[label_column], f"line {line:,}"))
        points.append([_coordinate(line, column, row[column]) for column in columns])
    inputs = torch.tensor(points, dtype=torch.float32).reshape(-1, 2)
    for column, values in zip(columns, inputs.double().T, strict=True):
        if len(values) and _is_constant(values):
            raise RefusedError(
                f"the numbers in column {column + 1} are all the same, or nearly so for their size: subtract what they "
                "have in common, or choose another column."
            )
    return inputs, torch.tensor(labels, dtype=torch.int64)


def _is_constant(values: Tensor) -> bool:
    return float(values.std(correction=0)) <= max(MIN_RELATIVE_SPREAD * float(values.abs().max()), 1e-30)


def _coordinate(line: int, column: int, cell: str) -> float:
    if not csv_reader.is_number(cell):
        raise csv_reader.cell_error(line, column, cell, "a number: write digits, with a point before decimals")
    value = float(cell)
    if not math.isfinite(value):
        raise csv_reader.cell_error(line, column, cell, "a finite number: correct it, or take the line out")
    if abs(value) > MAX_COORDINATE:
        raise csv_reader.cell_error(line, column, cell, f"between ±{MAX_COORDINATE:,.0f}: choose a larger unit")
    return value


def _images(
    rows: Iterator[Row], label_column: int, count: int, names: ClassNames, colour: str
) -> tuple[Tensor, Tensor]:
    side, channels = _shape(count)
    pixels, labels = bytearray(), []
    for line, row in rows:
        labels.append(names.number(row[label_column], f"line {line:,}"))
        pixels += _pixels(row, label_column, line)
        if len(pixels) > MAX_STORED_BYTES:
            raise RefusedError(f"its images take more than {MAX_STORED_BYTES / 1e9:g} GB: give fewer lines.")
    shape = (-1, channels, side, side)
    planes = np.frombuffer(pixels, np.uint8).reshape(shape) if labels else np.empty((0, *shape[1:]), np.uint8)
    squares = [image.transpose(1, 2, 0) if channels == 3 else image[0] for image in planes]
    inputs = stack_images(squares, colour) if squares else planes
    return torch.from_numpy(inputs), torch.tensor(labels, dtype=torch.int64)


def _shape(count: int) -> tuple[int, int]:
    """Return side and channels of an image with ``count`` values."""
    for channels in (1, 3):
        side = math.isqrt(count // channels)
        if side * side * channels == count and SMALLEST <= side <= LARGEST:
            return side, channels
    raise RefusedError(
        f"its lines have {count + 1:,} columns: give three for points (x, y, label), or a label and n · n or 3 · n · n "
        f"pixels for images, with n from {SMALLEST} to {LARGEST}."
    )


def _pixels(row: list[str], label_column: int, line: int) -> bytes:
    """Return the pixels of a row as numbers from 0 to 255."""
    cells = row[:label_column] + row[label_column + 1 :]
    try:
        if "_" not in "".join(cells):  # int() accepts "1_0"
            return bytes(map(int, cells))
    except ValueError:  # a decimal point, or something that is no number
        pass
    return bytes(_pixel(cell, column, line) for column, cell in enumerate(row) if column != label_column)


def _pixel(cell: str, column: int, line: int) -> int:
    value = float(cell) if csv_reader.is_number(cell) else math.nan
    if not 0 <= value <= 255 or value != int(value):
        wanted = "a pixel: write a whole number from 0 (black) to 255 (white)"
        raise csv_reader.cell_error(line, column, cell, wanted)
    return int(value)
