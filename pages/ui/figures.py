"""Charts of numbers that stand still: drawn in the page's theme, with a text alternative, a table and a CSV file."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from pages.ui.browser.palette import Theme

Rows = Sequence[dict[str, Any]]
GREY = {"light": "#6B6B6B", "dark": "#B3B3B3"}
LINE, LOWEST = 15, 320  # pixels: of a line of text, of a chart
SCALE = 2  # pixels of a saved picture for one on the screen


def theme() -> Theme:
    """Of the page as its viewer sees it."""
    return "dark" if st.context.theme.type == "dark" else "light"


def chart(figure: go.Figure, name: str, alt: str, *, height: int = 420, **more: Any) -> None:
    """A figure with the button that saves it, as SVG or PNG, in its corner; ``more`` goes to Streamlit."""
    figure.update_layout(height=height, uirevision=name, hoverlabel={"namelength": -1})
    st.plotly_chart(
        figure,
        key=f"chart {name}",
        width="stretch",
        alt=alt,
        config={
            "displaylogo": False,
            "displayModeBar": True,
            "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
            "toImageButtonOptions": {"format": _picture(), "filename": name, "scale": SCALE},
        },
        **more,
    )


def pictures() -> None:
    """In which format charts are saved."""
    st.segmented_control(
        "Save charts as", ["SVG", "PNG"], key="compare picture", default="SVG", required=True,
        help="The camera at the top right of a chart saves it in this format. Its numbers are the CSV below it.",
    )  # fmt: skip


def numbers(rows: Rows, name: str, *, alt: str, shown: Rows | None = None, **columns: Any) -> None:
    """The numbers of a chart behind a fold: ``shown`` as a table, all ``rows`` as a file."""
    with st.expander("The numbers as a table", icon=":material/table:"):
        table(shown if shown is not None else rows, alt=alt, **columns)
        download(lambda: rows, name)


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


def axis(title: str, values: Sequence[float], *, is_log: bool) -> dict[str, Any]:
    """A Plotly axis. A logarithmic one is labelled at 1, 2 and 5 of every power of ten, or at the powers alone where
    there are many."""
    look: dict[str, Any] = {"title": title, "automargin": True, "type": "log" if is_log else "linear"}
    if is_log:
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        ticks = (1, 2, 5) if high - low <= 3 else (1,)
        places = [tick * 10.0**power for power in range(low - 1, high + 2) for tick in ticks]
        look |= {"tickvals": places, "ticktext": [f"{place:,.10g}" for place in places]}
    return look


def apart(places: Sequence[float], pixels: float) -> list[float]:
    """By how many pixels labels must move up so that none covers another; ``places`` are shares of an axis of that many
    pixels, 0 is its foot."""
    order = sorted(range(len(places)), key=lambda at: places[at])
    heights = [places[at] * pixels for at in order]
    for at in range(1, len(heights)):
        heights[at] = max(heights[at], heights[at - 1] + LINE)
    over = max(0.0, heights[-1] - max(pixels, LINE * len(heights))) if heights else 0.0
    for at in reversed(range(len(heights))):
        highest = heights[at] - over if at == len(heights) - 1 else min(heights[at], heights[at + 1] - LINE)
        heights[at] = highest
    moved = [0.0] * len(places)
    for at, height in zip(order, heights, strict=True):
        moved[at] = height - places[at] * pixels
    return moved


def _picture() -> str:
    return str(st.session_state.get("compare picture", "SVG")).lower()
