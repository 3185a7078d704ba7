"""Tables of docs/results.md."""

from __future__ import annotations

from pathlib import Path

from benchmarks.support.cells import machine_sentence
from tools.docs import DOCS, with_block

RESULTS = DOCS / "results.md"


def write_table(name: str, lines: list[str], path: Path = RESULTS) -> None:
    """Replace the table between the markers of that name, and write below it what it was measured on.

    Raises:
        ValueError: if the page has no such markers.
    """
    text = path.read_text(encoding="utf-8")
    if f"<!-- {name}:begin" not in text:
        raise ValueError(f"{path} has no markers of a table {name!r}.")
    path.write_text(with_block(text, name, "\n".join([*lines, "", machine_sentence()])), encoding="utf-8")
