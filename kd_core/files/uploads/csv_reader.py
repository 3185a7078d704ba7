"""Rows of text from a CSV, TSV or whitespace-separated file, with detection of the delimiter and the header."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count, islice
from typing import BinaryIO

from kd_core.base.options import shorten
from kd_core.files.limits import MAX_LINE_BYTES, RefusedError, printable

BLANKS = " "  # stands for any number of blanks
DELIMITERS = (";", "\t", "|", ",")  # in the order of preference: commas may be decimal marks
FORMATS = {";": "CSV file with semicolons", "\t": "TSV file", "|": "CSV file with bars", ",": "CSV file",
           BLANKS: "table with blanks between columns"}  # fmt: skip
LABEL_NAMES = (  # headers of label columns, in the order of preference
    "label", "labels", "target", "survived", "diagnosis", "outcome", "species", "variety", "class", "classes", "y",
    "category", "digit", "income", "output", "result", "group", "type",
)  # fmt: skip
SAMPLE_LINES = 20  # from which the delimiter and the header are detected

Row = tuple[int, Sequence[str]]  # number of the line or row, from 1, and cells


@dataclass(frozen=True)
class Table:
    """Rows of text with the names of their columns."""

    format: str
    names: tuple[str, ...]
    has_names: bool  # whether the file gives them; else they are "column 1" and so on
    rows: Callable[[], Iterator[Row]]  # without the header; rows may have another width, and empty cells
    unit: str = "line"  # what the number of a row counts

    def place(self, number: int) -> str:
        """Return where the row of this number is."""
        return f"{self.unit} {number:,}"


def open_table(file: BinaryIO) -> Table:
    """Return the table in ``file``.

    Raises:
        RefusedError: The file is no table; also raised while the rows are read, with line and column.
    """
    sample = list(islice(_lines(file), SAMPLE_LINES))
    skipped, delimiter = 0, ""
    if sample and sample[0].lower().startswith("sep=") and len(sample[0].strip()) == 5:  # written for Excel
        skipped, delimiter = 1, sample[0][4]
    is_commented = len(sample) > 1 and sample[0].startswith("#")  # the header of numpy.savetxt
    delimiter = delimiter or _delimiter(sample[is_commented:])

    def rows() -> Iterator[Row]:
        lines: Iterator[str] = islice(_lines(file), skipped, None)
        if is_commented:
            lines = chain([next(lines).lstrip("# ")], lines)
        return _rows(lines, delimiter, skipped)

    first = list(islice(rows(), SAMPLE_LINES))
    if not first:
        raise RefusedError("it holds no lines: give one example per line.")
    if len(first[0][1]) == 1:
        raise RefusedError(
            "its lines have one column: put commas, semicolons or tabs between columns, or take it as running "
            "text (task=language)."
        )
    return with_header(FORMATS.get(delimiter, "CSV file"), rows, [cells for _, cells in first])


def with_header(
    name: str, rows: Callable[[], Iterator[Row]], sample: Sequence[Sequence[str]], unit: str = "line"
) -> Table:
    """Return a table whose first row is a header, if it looks like one in the ``sample`` of the first rows."""
    width = len(sample[0])
    if not _is_header(sample):
        return Table(name, tuple(f"column {number + 1}" for number in range(width)), False, rows, unit)

    def body() -> Iterator[Row]:
        return islice(rows(), 1, None)

    return Table(name, unique_names(sample[0]), True, body, unit)


def unique_names(cells: Sequence[str]) -> tuple[str, ...]:
    """Return printable names of columns, with a number where one occurs again; unnamed ones stay empty."""
    names: dict[str, None] = {}
    for position, cell in enumerate(cells):
        name = shorten(printable(cell.strip())) or f"column {position + 1} (unnamed)"
        again = next(number for number in count(1) if (name if number == 1 else f"{name} ({number})") not in names)
        names[name if again == 1 else f"{name} ({again})"] = None
    return tuple(names)


def _is_header(sample: Sequence[Sequence[str]]) -> bool:
    first = [cell.strip().lower() for cell in sample[0]]
    width = len(first)
    label = next((column for column, name in enumerate(first) if name in LABEL_NAMES), None)
    if label is not None:
        # A class may be called "target", so a header must have other words as well, or number its columns.
        others = [name for column, name in enumerate(first) if column != label]
        numbered = [[str(number) for number in range(start, start + len(others))] for start in (0, 1)]
        return not all(is_number(name) for name in others) or others in numbered
    default = width - 1 if width == 3 else 0
    if any(is_number(name) for column, name in enumerate(first) if column != default):
        return False
    rest = [row for row in sample[1:] if len(row) == width]
    is_all_words = not any(is_number(cell) for row in rest for cell in row)
    return not (
        is_all_words and any(row[column].strip().lower() == first[column] for row in rest for column in range(width))
    )


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


def is_table(file: BinaryIO) -> bool:
    """Return whether the first lines of a text file are rows of equally many cells, at least two of them.

    Sentences may have equally many commas by chance, but blanks after them and few numbers.
    """
    try:
        sample = list(islice(_lines(file), SAMPLE_LINES))
        rows = [row for _, row in _rows(iter(sample), _delimiter(sample), 0)]
    except RefusedError:
        return False
    widths = {len(row) for row in rows}
    cells = [cell for row in rows for cell in row]
    is_prose = all(cell.startswith(" ") for row in rows for cell in row[1:])
    is_prose = is_prose and 2 * sum(map(is_number, cells)) < len(cells)
    return len(rows) > 1 and len(widths) == 1 and widths != {1} and not is_prose


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
    if best_score[0]:
        return best
    rows = [line.split() for line in sample if line.strip()]
    is_table = len({len(row) for row in rows}) == 1 and len(rows[0]) > 1
    numbers = sum(is_number(cell) for row in rows for cell in row)
    # Sentences may have equally many words by chance.
    return BLANKS if is_table and numbers >= sum(map(len, rows)) / 2 else best


def _rows(lines: Iterator[str], delimiter: str, skipped: int) -> Iterator[Row]:
    """Return all rows but empty ones."""
    if delimiter == BLANKS:
        rows: Iterator[Row] = ((number, line.split()) for number, line in enumerate(lines, 1 + skipped))
    else:
        rows = _csv_rows(lines, delimiter, skipped)
    return (row for row in rows if any(cell.strip() for cell in row[1]))


def _csv_rows(lines: Iterator[str], delimiter: str, skipped: int) -> Iterator[Row]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            hint = "close every quotation mark, end lines with a line feed, and keep cells short"
            raise RefusedError(f"line {reader.line_num + skipped:,} cannot be read as CSV: {hint}.") from error
        if row is None:
            return
        yield reader.line_num + skipped, row
