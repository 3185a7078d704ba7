"""Tables of text, line by line: the encoding, what stands between columns, and whether the first line is a header."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from kd_core.files.limits import LINE, ROWS, RefusedError, quoted

DELIMITERS = (";", "\t", "|", ",")  # in the order of preference: commas may be decimal marks
LABELS = ("label", "class", "target")  # what the column of the classes may be called
SAMPLE = 20  # lines that the delimiter is guessed from

Row = tuple[int, list[str]]  # number of the line, from 1, and its cells


@dataclass(frozen=True)
class Table:
    """``rows`` come one by one and can be read once; each has ``width`` cells, none of them empty."""

    rows: Iterator[Row]
    width: int
    label_column: int | None  # the column that the header calls by one of LABELS, if there is one


def open_table(file: BinaryIO) -> Table:
    """The table in ``file``. Raises RefusedError at once or while the rows are read, naming line and column."""
    delimiter = _delimiter(list(islice(_lines(file), SAMPLE)))
    rows = _rows(_lines(file), delimiter)
    first = next(rows, None)
    if first is None:
        raise RefusedError("it holds no lines: give one example per line.")
    width = len(first[1])
    if width == 1:
        raise RefusedError("its lines have one column: put commas, semicolons or tabs between columns.")
    names = [cell.strip().lower() for cell in first[1]]
    named = next((place for place, name in enumerate(names) if name in LABELS), None)
    others = [name for place, name in enumerate(names) if place != named]
    if named is None:
        # A column without a name may be the label's: no other cell of a header is a number.
        place = width - 1 if width == 3 else 0
        is_header = not any(is_number(name) for place_, name in enumerate(names) if place_ != place)
    else:
        # A class may be called "target": a header has words beside it, or counts its columns.
        counted = [[str(number) for number in range(start, start + len(others))] for start in (0, 1)]
        is_header = not all(is_number(name) for name in others) or others in counted
    if not is_header:
        return Table(_checked(_with(first, rows), width), width, None)
    return Table(_checked(rows, width), width, named)


def is_number(cell: str) -> bool:
    """Whether ``cell`` can be read as a number; infinite ones count."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _with(first: Row, rows: Iterator[Row]) -> Iterator[Row]:
    yield first
    yield from rows


def _lines(file: BinaryIO) -> Iterator[str]:
    """From the beginning, without the byte order mark."""
    file.seek(0)
    number = 0
    while line := file.readline(LINE + 1):
        number += 1
        if number == 1:
            if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise RefusedError("it is text in UTF-16: save it as CSV in UTF-8.")
            line = line.removeprefix(codecs.BOM_UTF8)
        if len(line) > LINE:
            raise RefusedError(f"line {number:,} is longer than {LINE / 1e6:g} MB: put one example on each line.")
        if b"\0" in line:
            raise RefusedError(f"line {number:,} holds no text: give a ZIP of class folders, or a CSV file in UTF-8.")
        try:
            yield line.decode()
        except UnicodeDecodeError:
            raise RefusedError(
                f"line {number:,} holds letters that are not UTF-8: save the file as CSV in UTF-8."
            ) from None


def _delimiter(sample: list[str]) -> str:
    """What gives every line of the sample equally many columns, and most of them; else most columns in all."""
    best, most = ",", (False, 1)
    for delimiter in DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader(sample, delimiter=delimiter, strict=True) if row]
        except csv.Error:
            continue
        found = (len(set(widths)) == 1, sum(widths))
        if widths and sum(widths) > len(widths) and found > most:
            best, most = delimiter, found
    return best


def _rows(lines: Iterator[str], delimiter: str) -> Iterator[Row]:
    """All lines but those with nothing on them."""
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
    for count, (line, row) in enumerate(rows, start=1):
        if len(row) != width:
            raise RefusedError(
                f"line {line:,} has {len(row):,} columns, and the first one {width:,}: give each the same."
            )
        if count > ROWS:
            raise RefusedError(f"it has more than {ROWS:,} examples: give fewer lines.")
        if "" in row:
            raise RefusedError(
                f"line {line:,}, column {row.index('') + 1:,} is empty: fill it in, or take the line out."
            )
        yield line, row


def cell_error(line: int, column: int, cell: str, wanted: str) -> RefusedError:
    """For a cell that is not what it should be; ``column`` counts from 0."""
    return RefusedError(f"line {line:,}, column {column + 1:,}: {quoted(cell)} is not {wanted}.")
