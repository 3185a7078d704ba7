"""CSV parsing with detection of the delimiter and the header."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, count, islice
from typing import BinaryIO

from kd_core.files.limits import MAX_LINE_BYTES, MAX_ROWS, RefusedError, quoted

DELIMITERS = (";", "\t", "|", ",")  # in the order of preference: commas may be decimal marks
LABEL_NAMES = ("label", "class", "target")  # headers of the label column
SAMPLE_LINES = 20  # from which the delimiter is detected

Row = tuple[int, list[str]]  # line number, from 1, and cells


@dataclass(frozen=True)
class Table:
    """Rows of a CSV file without its header."""

    rows: Iterator[Row]  # can be read once; each has ``width`` cells, none of them empty
    width: int
    label_column: int | None  # whose header is one of LABEL_NAMES, if there is one


def open_table(file: BinaryIO) -> Table:
    """Return the table in ``file``.

    Raises:
        RefusedError: The file is no table; also raised while the rows are read, with line and column.
    """
    delimiter = _delimiter(list(islice(_lines(file), SAMPLE_LINES)))
    rows = _rows(_lines(file), delimiter)
    first = next(rows, None)
    if first is None:
        raise RefusedError("it holds no lines: give one example per line.")
    width = len(first[1])
    if width == 1:
        raise RefusedError("its lines have one column: put commas, semicolons or tabs between columns.")
    names = [cell.strip().lower() for cell in first[1]]
    label_column = next((column for column, name in enumerate(names) if name in LABEL_NAMES), None)
    if label_column is None:
        default = width - 1 if width == 3 else 0
        others = [name for column, name in enumerate(names) if column != default]
        is_header = not any(is_number(name) for name in others)
    else:
        # A class may be called "target", so a header must have other words as well, or number its columns.
        others = [name for column, name in enumerate(names) if column != label_column]
        numbered = [[str(number) for number in range(start, start + len(others))] for start in (0, 1)]
        is_header = not all(is_number(name) for name in others) or others in numbered
    if not is_header:
        return Table(_checked(chain([first], rows), width), width, None)
    return Table(_checked(rows, width), width, label_column)


def is_number(cell: str) -> bool:
    """Return whether ``cell`` can be read as a number, infinite ones included."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _lines(file: BinaryIO) -> Iterator[str]:
    """Yield the lines from the beginning, without the byte order mark."""
    file.seek(0)
    for number in count(1):
        line = file.readline(MAX_LINE_BYTES + 1)
        if not line:
            return
        if number == 1:
            if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise RefusedError("it is text in UTF-16: save it as CSV in UTF-8.")
            line = line.removeprefix(codecs.BOM_UTF8)
        if len(line) > MAX_LINE_BYTES:
            raise RefusedError(
                f"line {number:,} is longer than {MAX_LINE_BYTES / 1e6:g} MB: put one example on each line."
            )
        if b"\0" in line:
            raise RefusedError(f"line {number:,} holds no text: give a ZIP of class folders, or a CSV file in UTF-8.")
        try:
            yield line.decode()
        except UnicodeDecodeError:
            raise RefusedError(
                f"line {number:,} holds letters that are not UTF-8: save the file as CSV in UTF-8."
            ) from None


def _delimiter(sample: list[str]) -> str:
    """Return the delimiter that gives all lines equally many columns, or else the most columns in all."""
    best, best_score = ",", (False, 1)
    for delimiter in DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader(sample, delimiter=delimiter, strict=True) if row]
        except csv.Error:
            continue
        score = (len(set(widths)) == 1, sum(widths))
        if widths and sum(widths) > len(widths) and score > best_score:
            best, best_score = delimiter, score
    return best


def _rows(lines: Iterator[str], delimiter: str) -> Iterator[Row]:
    """Yield all rows but empty ones."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            hint = "close every quotation mark, end lines with a line feed, and keep cells short"
            raise RefusedError(f"line {reader.line_num:,} cannot be read as CSV: {hint}.") from error
        if row is None:
            return
        if any(cell.strip() for cell in row):
            yield reader.line_num, row


def _checked(rows: Iterator[Row], width: int) -> Iterator[Row]:
    for number, (line, row) in enumerate(rows, start=1):
        if len(row) != width:
            raise RefusedError(
                f"line {line:,} has {len(row):,} columns, and the first one {width:,}: give each the same."
            )
        if number > MAX_ROWS:
            raise RefusedError(f"it has more than {MAX_ROWS:,} examples: give fewer lines.")
        if "" in row:
            raise RefusedError(
                f"line {line:,}, column {row.index('') + 1:,} is empty: fill it in, or take the line out."
            )
        yield line, row


def cell_error(line: int, column: int, cell: str, wanted: str) -> RefusedError:
    """Return the error for a cell that is not what is ``wanted``; ``column`` counts from 0."""
    return RefusedError(f"line {line:,}, column {column + 1:,}: {quoted(cell)} is not {wanted}.")
