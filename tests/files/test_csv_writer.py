"""CSV that leaves the app."""

import csv
import io
import math
from typing import Any

import pytest

from kd_core.files.csv_writer import to_csv


def read(rows: list[dict[str, Any]]) -> list[list[str]]:
    return list(csv.reader(io.StringIO(to_csv(rows).decode("utf-8-sig"))))


def test_a_csv_has_every_row_and_quotes_commas() -> None:
    rows = [{"run": "A", "α": 0.5}, {"run": "B, C", "α": None}]
    assert to_csv(rows).decode("utf-8-sig").splitlines() == ["run,α", "A,0.5", '"B, C",']


def test_a_row_may_lack_a_column_and_add_one() -> None:
    assert read([{"a": 1}, {"b": math.nan, "a": 2}]) == [["a", "b"], ["1", ""], ["2", ""]]


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-1+1", "@SUM(A1)", "\t=1", "\r=1", " =1"])
def test_no_cell_and_no_column_is_a_formula(text: str) -> None:
    header, row = to_csv([{text: text}]).decode("utf-8-sig").split("\n")[:2]
    assert header.lstrip('"').startswith("'")
    assert row.lstrip('"').startswith("'")


@pytest.mark.parametrize("value", [-1.5, "-1.5", "+3", "1e-3", -2])
def test_numbers_stay_numbers(value: object) -> None:
    assert read([{"x": value}])[1] == [str(value)]
