"""Tests of uploaded CSV files of points and pixels."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from kd_core.files import limits, uploads
from kd_core.files.uploads import columns, table_dataset
from tests.files.uploads.conftest import noise, points

Refuse = Callable[..., str]


def text(lines: list[str], line_end: str = "\n") -> bytes:
    return (line_end.join(lines) + line_end).encode()


def pixels(count: int, lines: int = 10) -> list[list[int]]:
    return [[number % 2, *noise(count).tolist()] for number in range(lines)]


def rows(table: list[list[int]], delimiter: str = ",") -> list[str]:
    return [delimiter.join(map(str, row)) for row in table]


def replace_line(line: int, new: str) -> bytes:
    lines = points()
    lines[line - 1] = new
    return text(lines)


EXPECTED = torch.tensor([[number / 7, -number / 3] for number in range(12)])


VARIANTS = {
    "plain": lambda lines: lines,
    "header": lambda lines: ["x,y,label", *lines],
    "header without a known name": lambda lines: ["width,height,species", *lines],
    "semicolons": lambda lines: [line.replace(",", ";") for line in lines],
    "tabs": lambda lines: [line.replace(",", "\t") for line in lines],
    "bars": lambda lines: [line.replace(",", "|") for line in lines],
    "quotes": lambda lines: [",".join(f'"{cell}"' for cell in line.split(",")) for line in lines],
    "label first": lambda lines: ["Class,x,y", *(",".join(np.roll(line.split(","), 1)) for line in lines)],
    "spaces": lambda lines: [line.replace(",", ", ") for line in lines],
    "empty lines": lambda lines: ["", *lines[:3], "", *lines[3:], "", ""],
    "byte order mark": lambda lines: ["\ufeffx,y,target", *lines],
    "semicolons and decimal commas": lambda lines: [line.replace(",", ";").replace(".", ",") for line in lines],
    "a line for Excel": lambda lines: ["sep=,", *lines],
    "blanks": lambda lines: [line.replace(",", "   ") for line in lines],
    "blanks and the header of savetxt": lambda lines: ["# x y label", *(line.replace(",", " ") for line in lines)],
    "powers of ten": lambda lines: [f"{float(a) * 1e3}e-3,{b},{c}" for a, b, c in (line.split(",") for line in lines)],
}


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_points_are_stored_as_written(home: Path, variant: Callable[[list[str]], list[str]], line_end: str) -> None:
    upload = uploads.add("mine.csv", text(variant(points()), line_end))
    assert (upload.kind, upload.classes, upload.counts, upload.shape) == ("points", ("a", "b"), (6, 6), (2,))
    inputs, labels, _ = uploads.read(upload.id)
    assert inputs.dtype == torch.float32
    torch.testing.assert_close(inputs, EXPECTED)
    assert labels.tolist() == [0, 1] * 6


def test_a_first_row_with_a_class_named_like_a_header_is_kept(home: Path) -> None:
    lines = [line.replace("a", "target") for line in points()]
    assert uploads.add("mine.csv", text(lines)).counts == (6, 6)


@pytest.mark.parametrize(
    "header", ["", "label," + ",".join(map(str, range(64))), "y," + ",".join(f"p{n}" for n in range(64))]
)
def test_grey_pixels_are_stored_as_written(home: Path, header: str) -> None:
    written = pixels(64)
    upload = uploads.add("mine.csv", text([header, *rows(written)]))
    inputs, labels, _ = uploads.read(upload.id)
    assert upload.shape == (1, 8, 8)
    assert inputs.flatten(1).tolist() == [row[1:] for row in written]
    assert labels.tolist() == [row[0] for row in written]


def test_pixels_may_have_decimal_points_and_a_named_label_column_may_be_last(home: Path) -> None:
    written = pixels(64)
    lines = [",".join(f"{value}.0" for value in row[1:]) + f",{row[0]}.0" for row in written]
    upload = uploads.add("mine.csv", text([",".join(f"p{number}" for number in range(64)) + ",class", *lines]))
    assert upload.classes == ("0", "1")
    assert uploads.read(upload.id)[0].flatten(1).tolist() == [row[1:] for row in written]


def test_colour_channels_follow_each_other(home: Path) -> None:
    written = pixels(3 * 81)
    upload = uploads.add("mine.csv", text(rows(written, ";")))
    assert upload.shape == (3, 9, 9)
    assert uploads.read(upload.id)[0].flatten(1).tolist() == [row[1:] for row in written]
    assert uploads.add("mine.csv", text(rows(written)), colour="grey").shape == (1, 9, 9)


BAD = {
    "text for a number": (replace_line(3, "1,two,a"), 'line 3, column 2: "two" is not a number'),
    "text in the first line": (replace_line(1, "1,two,a"), 'line 1, column 2: "two" is not a number'),
    "infinity": (replace_line(4, "inf,2,a"), 'line 4, column 1: "inf" is not a finite number'),
    "overflow": (replace_line(4, "1e999,2,a"), "is not a finite number"),
    "far away": (replace_line(4, "2e30,2,a"), "choose a larger unit"),
    "underscores": (replace_line(4, "1_0,2,a"), '"1_0" is not a number'),
    "no label": (replace_line(5, "1,2,"), "line 5, column 3 is empty"),
    "blank label": (replace_line(5, "1,2, "), "line 5"),
    "too short": (replace_line(7, "1,2"), "line 7 has 2 columns, and the first one 3"),
    "too long": (replace_line(7, "1,2,a,b"), "line 7 has 4 columns"),
    "one column": (text(["1", "2", "3"]), "one column"),
    "prose": (b"There were two cats.\nOne of them was black.\n", "one column"),
    "open quotation": (replace_line(9, '"1,2,a'), "cannot be read as CSV"),
    "ends of lines of old": (text(points(), "\r"), "cannot be read as CSV"),
    "Latin 1": (text(points()) + "1,2,caf\u00e9\n".encode("latin-1"), "line 13 holds letters that are not UTF-8"),
    "UTF-16": ("\n".join(points()).encode("utf-16"), "UTF-16"),
    "bytes": (b"1,2,a\n\0\1\2\n", "line 2 holds no text"),
    "header alone": (b"x,y,label\n", "no examples"),
    "blank": (b"\n\n \n", "no lines"),
    "one class": (text([f"{number},{number},a" for number in range(9)]), 'only one class, "a"'),
    "few of a class": (text([*points(), "1,1,c"]), '"c" has 1'),
    "copies": (text([*points(), *["1,1,c"] * 9]), '"c" has 1'),
    "alike": (text([*points(), "1,1,A"]), r'"a" \(line 1\) and "A" \(line 13\) differ only'),
    "too bright": (
        text([*rows(pixels(64)), ",".join(["0"] + ["256"] * 64)]),
        'line 11, column 2: "256" is not a pixel',
    ),
    "too dark": (text([*rows(pixels(64)), ",".join(["0"] * 64 + ["-1"])]), 'line 11, column 65: "-1" is not a pixel'),
    "between": (text([*rows(pixels(64)), ",".join(["0"] + ["0.5"] * 64)]), '"0.5" is not a pixel'),
    "pixel of text": (text([*rows(pixels(64)), ",".join(["0"] * 64 + ["x"])]), '"x" is not a pixel'),
    "pixel with an underscore": (text([*rows(pixels(64)), ",".join(["0"] * 64 + ["1_0"])]), '"1_0" is not a pixel'),
    "endless pixel": (text([*rows(pixels(64)), ",".join(["0"] * 64 + ["9" * 5000])]), "is not a pixel"),
}


@pytest.mark.parametrize(("blob", "fragment"), BAD.values(), ids=BAD)
def test_a_bad_table_is_refused_with_line_and_column(refusal: Refuse, blob: bytes, fragment: str) -> None:
    assert re.search(fragment, refusal(blob, "mine.csv"))


def test_too_many_classes_are_refused(refusal: Refuse) -> None:
    lines = ["x,y,label", *(f"{number},{-number},c{number}" for number in range(limits.MAX_CLASSES + 1))]
    assert "line 1,002 begins class number 1,001" in refusal(text(lines), "mine.csv")


def test_too_many_lines_are_refused(refusal: Refuse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "MAX_ROWS", 11)
    assert "more than 11 examples" in refusal(text(points()), "mine.csv")


def test_too_long_a_line_is_refused_before_it_is_read(refusal: Refuse) -> None:
    assert "line 2 is longer than 2 MB" in refusal(b"1,2,a\n" + b"1" * 5_000_000, "mine.csv")


def test_too_many_pixels_are_refused(refusal: Refuse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_dataset, "MAX_STORED_BYTES", 639)
    assert "give fewer lines" in refusal(text(rows(pixels(64))), "mine.csv")


def test_too_large_a_file_is_refused(refusal: Refuse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_UPLOAD_BYTES", 50)
    assert "larger than" in refusal(text(points()), "mine.csv")
