"""Tables as CSV that a spreadsheet can open without running a formula."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from typing import Any

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # by which a spreadsheet recognises one; see OWASP, "CSV injection"


def to_csv(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return rows as CSV with a byte order mark, by which spreadsheets recognise UTF-8.

    The columns are the keys of all rows, in the order in which they occur. Text that begins like a formula and is no
    number is preceded by an apostrophe. None and NaN are empty cells.
    """
    rows = list(rows)
    columns = dict.fromkeys(key for row in rows for key in row)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(neutral, columns))
    writer.writerows([neutral(row.get(column)) for column in columns] for row in rows)
    return text.getvalue().encode("utf-8-sig")


def neutral(value: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula."""
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA) and not _is_number(value):
        return f"'{value}"
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text  # float() accepts "1_0"
