"""Tables with a CSV download."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from kd_core.files.csv_writer import to_csv

Rows = Sequence[dict[str, Any]]


def numbers(
    rows: Callable[[], Rows],
    name: str,
    *,
    alt: str,
    table_rows: Callable[[], Rows] | None = None,
    title: str = "Numbers as a table",
    **columns: Any,
) -> None:
    """Draw an expander with the numbers of a chart, which are computed while it is open.

    ``table_rows`` (by default all) are shown as a table, and all ``rows`` can be downloaded as CSV. ``{count}`` in
    ``alt`` is the number of rows of the table.
    """
    expander = st.expander(title, icon=":material/table:", key=f"numbers {name}", on_change="rerun")
    if expander.open:
        with expander:
            drawn = (table_rows or rows)()
            table(drawn, alt=alt.format(count=len(drawn)), **columns)
            download(rows, name)


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
