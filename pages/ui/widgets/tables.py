"""Tables with a CSV download."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from kd_core.files.csv_writer import to_csv
from pages.ui.app.cache import cached

Rows = Sequence[dict[str, Any]]


def numbers(
    rows: Rows,
    name: str,
    *,
    alt: str,
    table_rows: Rows | None = None,
    title: str = "Numbers as a table",
    **columns: Any,
) -> None:
    """Draw an expander with the numbers of a chart.

    ``table_rows`` (by default all) are shown as a table, and all ``rows`` can be downloaded as CSV.
    """
    with st.expander(title, icon=":material/table:"):
        table(table_rows if table_rows is not None else rows, alt=alt, **columns)
        download(lambda: rows, name)


def cached_numbers(
    key: str,
    rows: Callable[[], Rows],
    name: str,
    *,
    alt: str,
    is_shown: Callable[[dict[str, Any]], bool] | None = None,
    most: int | None = None,
    title: str = "Numbers as a table",
) -> None:
    """Call :func:`numbers` with rows cached under ``key``, which names all that they depend on.

    The table has the first ``most`` rows for which ``is_shown`` holds; ``{count}`` in ``alt`` is their number.
    """
    cached_rows = cached(f"rows {name} {key}", lambda: list(rows()))
    table_rows = [row for row in cached_rows if is_shown is None or is_shown(row)][:most]
    numbers(cached_rows, name, alt=alt.format(count=len(table_rows)), table_rows=table_rows, title=title)


def table(rows: Rows, *, alt: str, **columns: Any) -> None:
    """Draw a sortable table; ``columns`` are Streamlit's ``column_config``."""
    import pandas as pd  # takes half a second to import, and a page without runs has no table

    st.dataframe(pd.DataFrame(list(rows)), hide_index=True, alt=alt, column_config=columns, placeholder="–")


def download(rows: Callable[[], Rows], name: str) -> None:
    """Draw a button that downloads rows as CSV; the file is written when it is pressed."""
    st.download_button(
        "CSV", lambda: to_csv(rows()), f"{name}.csv", "text/csv", key=f"csv {name}", icon=":material/download:",
        on_click="ignore", help=f"Download these numbers as {name}.csv.",
    )  # fmt: skip
