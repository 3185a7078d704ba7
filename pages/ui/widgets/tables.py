"""Numbers as tables and as CSV files: those of a chart, or rows that are a table of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from pages.ui.app.cache import cached

Rows = Sequence[dict[str, Any]]


def numbers(
    rows: Rows,
    name: str,
    *,
    alt: str,
    table_rows: Rows | None = None,
    title: str = "The numbers as a table",
    **columns: Any,
) -> None:
    """The numbers of a chart behind a fold: ``table_rows`` as a table, all ``rows`` as a file."""
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
    title: str = "The numbers as a table",
) -> None:
    """The same for rows that ``key`` names with all that they depend on (see :mod:`pages.ui.app.cache`); of those that
    ``is_shown`` the first ``most`` are the table."""
    found = cached(f"rows {name} {key}", lambda: list(rows()))
    shown = [row for row in found if is_shown is None or is_shown(row)][:most]
    numbers(found, name, alt=alt.format(count=len(shown)), table_rows=shown, title=title)


def table(rows: Rows, *, alt: str, **columns: Any) -> None:
    """Rows as a table that can be sorted; ``columns`` as Streamlit's ``column_config``."""
    import pandas as pd  # takes half a second to load, and a page without runs has no table

    st.dataframe(pd.DataFrame(list(rows)), hide_index=True, alt=alt, column_config=columns, placeholder="–")


def download(rows: Callable[[], Rows], name: str) -> None:
    """A button that saves rows; they are written when it is pressed."""
    st.download_button(
        "CSV", lambda: as_csv(rows()), f"{name}.csv", "text/csv", key=f"csv {name}", icon=":material/download:",
        on_click="ignore", help=f"Saves these numbers as {name}.csv.",
    )  # fmt: skip


def as_csv(rows: Rows) -> bytes:
    """With a byte order mark, so that spreadsheets read it as UTF-8."""
    import pandas as pd  # as above

    return str(pd.DataFrame(list(rows)).to_csv(index=False)).encode("utf-8-sig")
