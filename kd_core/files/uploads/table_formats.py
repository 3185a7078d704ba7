"""Tables in the formats of NumPy, Arrow, JSON and Excel, read as rows of text; and arrays of images."""

from __future__ import annotations

import datetime
import decimal
import importlib
import io
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import PurePosixPath
from types import ModuleType
from typing import Any, BinaryIO
from zipfile import ZipFile, ZipInfo

import numpy as np
import torch
from PIL import Image

from kd_core.files.limits import (
    LARGEST,
    MAX_ENTRY_BYTES,
    MAX_LINE_BYTES,
    MAX_ROWS,
    MAX_STORED_BYTES,
    MAX_UNPACKED_BYTES,
    SMALLEST,
    RefusedError,
    quoted,
)
from kd_core.files.uploads import csv_reader, file_type
from kd_core.files.uploads.csv_reader import Row, Table
from kd_core.files.uploads.decode import resize, stack_images
from kd_core.files.uploads.folders.image_list import is_litter
from kd_core.files.uploads.splits import FOLDERS
from kd_core.files.uploads.understanding import MULTI_LABEL, REGRESSION, SEVERAL, SPLITS, Choices, Examples
from kd_core.files.uploads.zip_images import unpack

TABLE_ENDINGS = (
    ".csv",
    ".tsv",
    ".txt",
    ".tab",
    ".data",
    ".jsonl",
    ".ndjson",
    ".json",
    ".parquet",
    ".feather",
    ".arrow",
)
MAX_CELLS = 100_000_000
ROWS_AT_ONCE = 256
ARRAY_NAMES = {  # of an .npz file, without the name of a split
    **dict.fromkeys(("x", "data", "image", "images", "input", "inputs", "features", "arr_0"), "x"),
    **dict.fromkeys(("y", "label", "labels", "target", "targets", "class", "classes", "arr_1"), "y"),
}
ARRAYS = "call the arrays x and y, or x_train, y_train, x_test and y_test"

Content = Table | Examples


def open_table(file: BinaryIO, kind: str) -> Content:
    """Return the rows of a table of a ``kind`` that :func:`file_type.detect` returns. Raises RefusedError."""
    readers: dict[str, Callable[[BinaryIO], Content]] = {
        "text": csv_reader.open_table, "json": _json, "npy": _npy, "parquet": _parquet, "arrow": _arrow,
    }  # fmt: skip
    return readers[kind](file)


def from_archive(file: BinaryIO, archive: ZipFile, entries: Mapping[str, ZipInfo], choices: Choices) -> Content | None:
    """Return the content of an archive of NumPy arrays, an Excel workbook or one table; None for any other archive.

    Raises RefusedError.
    """
    files = [path for path in entries if not path.endswith("/") and not is_litter(path)]
    if "[Content_Types].xml" in entries:
        if not any(path.startswith("xl/") for path in files):
            raise RefusedError("it is an Office document: save the sheet as CSV.")
        for path in entries:  # a bomb is found before anything reads it
            unpack(archive, path, entries[path], MAX_UNPACKED_BYTES)
        return _excel(file)
    if files and all(path.endswith(".npy") for path in files):
        left, arrays = MAX_UNPACKED_BYTES, {}
        for path in files:
            content = unpack(archive, path, entries[path], left, MAX_STORED_BYTES)
            left -= len(content)
            arrays[path.removesuffix(".npy")] = _array(io.BytesIO(content))
        return _npz(arrays, choices)
    if len(files) == 1 and PurePosixPath(files[0]).suffix.lower() in TABLE_ENDINGS:
        table = io.BytesIO(unpack(archive, files[0], entries[files[0]], MAX_UNPACKED_BYTES, MAX_STORED_BYTES))
        kind = file_type.detect(table)
        if kind != "zip":
            return open_table(table, kind)
    if "manifest.json" in files and not any("/" in path for path in files):
        raise RefusedError(
            "it may be a Teachable Machine project: there, download the samples of every class, unpack each into a "
            "folder with the name of the class, and pack these folders."
        )
    return None


# -- text of values -----------------------------------------------------------------------------------------------


def _text(value: Any) -> str:
    """Return a value of a typed format as it would stand in a CSV file. Raises RefusedError for lists and the like."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float | decimal.Decimal | np.bool_ | np.number):
        return str(value)
    if isinstance(value, datetime.date | datetime.time | datetime.timedelta):
        return str(value)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):  # the labels of one example
        return "|".join(value)
    raise RefusedError(
        f"its cells hold a {type(value).__name__}, not a number or a word: save pictures as files in class folders, "
        "and lists as several columns."
    )


def _table(name: str, columns: Sequence[str] | None, rows: Callable[[], Iterable[Sequence[Any]]]) -> Table:
    """Return a table of values; without ``columns`` the first row may be a header."""

    def texts() -> Iterator[Row]:
        for number, row in enumerate(rows(), start=1):
            yield number, [_text(value) for value in row]

    def filled() -> Iterator[Row]:
        return ((number, row) for number, row in texts() if any(cell.strip() for cell in row))

    sample = [row for _, row in islice(filled(), csv_reader.SAMPLE_LINES)]
    if not sample:
        raise RefusedError("it holds no rows: give one example per row.")
    if columns is None:
        return csv_reader.with_header(name, filled, sample, "row")
    return Table(name, csv_reader.unique_names(columns), True, filled, "row")


# -- formats ------------------------------------------------------------------------------------------------------


def _json(file: BinaryIO) -> Table:
    file.seek(0)
    head = file.read(100).removeprefix(b"\xef\xbb\xbf").lstrip()

    def items() -> Iterator[Any]:
        file.seek(0)
        if head.startswith(b"["):
            if file.seek(0, io.SEEK_END) > MAX_ENTRY_BYTES:
                raise RefusedError("its list is too long to be read at once: write one object on each line.")
            file.seek(0)
            yield from json.loads(file.read().decode("utf-8-sig"))
            return
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES + 1), b""), start=1):
            if len(line) > MAX_LINE_BYTES:
                raise RefusedError(f"line {number:,} is longer than {MAX_LINE_BYTES / 1e6:g} MB.")
            if line.strip():
                yield json.loads(line.decode("utf-8-sig"))

    def rows() -> Iterator[list[Any]]:
        try:
            for item in items():
                if not isinstance(item, dict):
                    raise RefusedError("its JSON holds no objects with one value for each column: save it as CSV.")
                yield [item.get(name) for name in names]
        except (ValueError, RecursionError) as error:
            if isinstance(error, RefusedError):
                raise
            raise RefusedError(
                "its JSON cannot be read: write one object on each line, or a list of objects."
            ) from error

    names: dict[str, None] = {}
    try:
        for item in islice(items(), MAX_ROWS):
            names |= dict.fromkeys(item if isinstance(item, dict) else ())
    except (ValueError, RecursionError):
        names = names or {"": None}  # and rows() says what is wrong
    return _table("JSON file", list(names) or [""], rows)


def _npy(file: BinaryIO) -> Table:
    array = _array(file)
    if array.dtype.names:
        return _table("NumPy file", array.dtype.names, lambda: (row.tolist() for row in array.ravel()))
    if array.ndim != 2:
        raise RefusedError(
            f"its array has the shape {array.shape}, and no labels: save inputs and labels with "
            f"numpy.savez(FILE, x=..., y=...)."
        )
    return _table("NumPy file", None, lambda: (row.tolist() for row in array))


def _array(file: BinaryIO) -> np.ndarray:
    """Read an .npy file. Raises RefusedError for one with Python objects, or whose size is not that of its content."""
    try:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, is_fortran, dtype = read(file)
        if dtype.hasobject:
            raise RefusedError(
                "its array holds Python objects, which can run any program when they are opened: save numbers or text."
            )
        count = 1
        for length in shape:
            count *= length
        if count * dtype.itemsize != size - file.tell():
            raise ValueError
        array = np.frombuffer(file.read(), dtype, count).reshape(shape, order="F" if is_fortran else "C")
    except RefusedError:
        raise
    except Exception as error:  # a damaged header raises all kinds of exceptions
        raise RefusedError("its NumPy array is damaged or incomplete: save it again.") from error
    if array.dtype.kind not in "biufUS" and not array.dtype.names:
        raise RefusedError(f"its array holds {array.dtype}: save numbers or text.")
    return np.char.decode(array, "utf-8", "replace") if array.dtype.kind == "S" else array


def _npz(arrays: Mapping[str, np.ndarray], choices: Choices) -> Content:
    """Return the examples of arrays of inputs and labels, by split if their names say so."""
    named: dict[tuple[str, int | None], np.ndarray] = {}
    for name, array in arrays.items():
        words = re.split(r"[_ .-]+", name.lower())
        split = next((FOLDERS[word] for word in words if word in FOLDERS), None)
        role = ARRAY_NAMES.get("_".join(word for word in words if word not in FOLDERS))
        if role:
            named[role, split] = array.reshape(len(array), -1) if role == "y" and array.ndim else array
    parts = sorted({split for _, split in named}, key=lambda split: -1 if split is None else split)
    if (
        not parts
        or any((role, split) not in named for role in "xy" for split in parts)
        or (None in parts and parts[1:])
    ):
        raise RefusedError(f"it holds the arrays {', '.join(map(quoted, list(arrays)[:8]))}: {ARRAYS}.")
    for split in parts:
        x, y = named["x", split], named["y", split]
        if not x.ndim or not y.ndim or len(x) != len(y):
            raise RefusedError(f"it has inputs of shape {x.shape} and labels of shape {y.shape}: give one for each.")
        if x.shape[1:] != named["x", parts[0]].shape[1:] or y.shape[1:] != named["y", parts[0]].shape[1:]:
            raise RefusedError("its splits have inputs or labels of different shapes: give all the same.")
    x, y = (np.concatenate([named[role, split] for split in parts]) for role in "xy")
    counts = [len(named["y", split]) for split in parts]
    splits = None if parts == [None] else np.repeat(np.array(parts, np.int64), counts)
    if x.ndim <= 2:
        return _flat_arrays(x.reshape(len(x), -1), y, splits)
    target, labels = _array_labels(y, choices)
    return Examples(
        "NumPy archive", f"{target} images".strip(), stack_images(_pictures(x, choices.pixels), choices.colour), labels,
        [f"example {number}" for number in range(len(x))], None if splits is None else torch.from_numpy(splits),
    )  # fmt: skip


def _array_labels(y: np.ndarray, choices: Choices) -> tuple[str, list[str]]:
    """Return what is said of images by labels (N, D), see `understanding.target_of`, and the label of each as text.

    Raises RefusedError for several columns that are not 0 and 1, and for numbers that are not finite.
    """
    if y.shape[1] == 1:
        is_number = y.dtype.kind == "f" and choices.task == "auto" and (y != np.rint(y)).any()
        if is_number and not np.isfinite(y).all():
            raise RefusedError("its labels have numbers that are not finite: correct them, or take them out.")
        labels = [_text(value) for value in y[:, 0].tolist()]
        return (REGRESSION, labels) if is_number else ("", [label.removesuffix(".0") for label in labels])
    if y.dtype.kind not in "buif" or not ((y == 0) | (y == 1)).all():
        raise RefusedError(f"its labels have {y.shape[1]:,} columns that are not all 0 and 1: give one for each class.")
    if (y.sum(1) == 1).all():
        return "", [str(number) for number in y.argmax(1).tolist()]
    return MULTI_LABEL, [SEVERAL.join(f"label {at + 1}" for at in np.flatnonzero(row)) for row in y]


def _flat_arrays(x: np.ndarray, y: np.ndarray, splits: np.ndarray | None) -> Table:
    """Return rows of numbers with their labels as a table."""
    names = [f"x{number + 1}" for number in range(x.shape[1])]
    names += ["label"] if y.shape[1] == 1 else [f"label {number + 1}" for number in range(y.shape[1])]
    if splits is None:
        rows = lambda: ((*a.tolist(), *b.tolist()) for a, b in zip(x, y, strict=True))  # noqa: E731
        return _table("NumPy archive", names, rows)
    with_split = lambda: (  # noqa: E731
        (*a.tolist(), *b.tolist(), SPLITS[c]) for a, b, c in zip(x, y, splits, strict=True)
    )
    return _table("NumPy archive", [*names, "split"], with_split)


def _pictures(x: np.ndarray, pixels: int) -> list[np.ndarray]:
    """Return images (N, H, W), (N, H, W, C) or (N, C, H, W) as squares of bytes, grey (S, S) or (S, S, 3)."""
    if x.ndim == 4 and x.shape[1] in (1, 3) and x.shape[3] not in (1, 3):
        x = x.transpose(0, 2, 3, 1)
    if x.dtype.kind not in "buif" or x.ndim not in (3, 4) or (x.ndim == 4 and x.shape[3] not in (1, 3)):
        raise RefusedError(
            f"its inputs have the shape {x.shape}: give images (N, height, width), or with 1 or 3 channels."
        )
    if not x.size or not np.isfinite(x).all() or x.min() < 0 or x.max() > 255:
        raise RefusedError("its pixels are not all from 0 to 255, or from 0 to 1: scale them.")
    if x.dtype != np.uint8:
        x = np.rint(x * 255.0 if x.max() <= 1 else x).astype(np.uint8)
    if x.ndim == 4 and x.shape[3] == 1:
        x = x[..., 0]
    if x.shape[1] == x.shape[2] and SMALLEST <= x.shape[1] <= LARGEST:
        return list(x)
    return [np.asarray(resize(Image.fromarray(image), pixels)) for image in x]


def _parquet(file: BinaryIO) -> Table:
    parquet = _import("pyarrow.parquet", "Parquet")
    document = _opened(lambda: parquet.ParquetFile(file), "Parquet")
    size = document.metadata
    if size.num_rows > MAX_ROWS or size.num_rows * size.num_columns > MAX_CELLS:
        raise RefusedError(f"it has more than {MAX_ROWS:,} rows, or too many cells: give fewer rows.")
    return _batches(document.schema_arrow.names, lambda: document.iter_batches(batch_size=ROWS_AT_ONCE), "Parquet")


def _arrow(file: BinaryIO) -> Table:
    arrow = _import("pyarrow", "Feather")
    document = _opened(lambda: arrow.ipc.open_file(file), "Feather")
    count = document.num_record_batches
    return _batches(document.schema.names, lambda: (document.get_batch(number) for number in range(count)), "Feather")


def _batches(names: Sequence[str], batches: Callable[[], Iterable[Any]], format: str) -> Table:
    def rows() -> Iterator[Sequence[Any]]:
        size, iterator = 0, iter(_opened(batches, format))
        while (batch := _opened(lambda: next(iterator, None), format)) is not None:
            _opened(lambda: batch.validate(full=True), format)  # else wrong offsets end the process
            size += batch.nbytes
            if size > MAX_UNPACKED_BYTES:
                raise RefusedError(f"it unpacks to more than {MAX_UNPACKED_BYTES / 1e9:g} GB: give fewer rows.")
            yield from zip(*_opened(lambda: [column.to_pylist() for column in batch.columns], format), strict=True)

    return _table(f"{format} file", names, rows)


def _excel(file: BinaryIO) -> Table:
    openpyxl = _import("openpyxl", "Excel")

    def rows() -> Iterator[Sequence[Any]]:
        file.seek(0)
        book = _opened(lambda: openpyxl.load_workbook(file, read_only=True, data_only=True), "Excel")
        sheet = iter(_opened(lambda: book.worksheets[0].iter_rows(values_only=True), "Excel"))
        width = 0
        while (row := _opened(lambda: next(sheet, None), "Excel")) is not None:
            cells = list(row)
            while cells and cells[-1] is None and len(cells) > width:
                cells.pop()
            width = width or len(cells)
            yield cells + [None] * (width - len(cells))

    return _table("Excel workbook, first sheet", None, lambda: chain(rows()))


def _opened(read: Callable[[], Any], format: str) -> Any:
    """Return ``read()``. Raises RefusedError in place of any exception: these libraries raise all kinds."""
    try:
        return read()
    except RefusedError:
        raise
    except Exception as error:
        raise RefusedError(
            f"the {format} file is damaged, or uses something rare: save it again, or as CSV."
        ) from error


def _import(name: str, format: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        raise RefusedError(
            f'reading {format} files takes {package}: pip install "distillery-lab[tables]", or save it as CSV.'
        ) from None
