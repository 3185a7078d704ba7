"""What the figures of the Inspect page have in common: theme, a text alternative, a table that can be saved."""

from __future__ import annotations

import html
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from pages.ui.browser.palette import Theme

PAPER = {"light": "#FFFFFF", "dark": "#0E1117"}
INK = {"light": "#1D2027", "dark": "#ECEAE4"}
WASH = {"light": "#F1F0EC", "dark": "#1A1E28"}  # where nothing was counted
FAINT = {"light": "#A9ABB0", "dark": "#5A606C"}
PLOTLY_MARKERS = ("circle", "triangle-up", "square", "diamond")  # palette.CLASS_MARKERS, as Plotly names them


def theme() -> Theme:
    """Of the browser that asks."""
    return "dark" if st.context.theme.type == "dark" else "light"


def literal(text: str) -> str:
    """A name from somebody's data as Plotly shows it letter by letter: it reads a little HTML."""
    return html.escape(text)


def figure(*traces: Any, height: int, **layout: Any) -> go.Figure:
    """A figure without margins to speak of, in the colours of the page."""
    usual = {"l": 8, "r": 8, "t": 8, "b": 8}
    found = go.Figure(list(traces))
    found.update_layout(
        height=height, margin=usual, dragmode=False, paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)",
        font={"size": 12}, hoverlabel={"align": "left"}, **layout,
    )  # fmt: skip
    found.update_xaxes(automargin=True, zeroline=False, fixedrange=True)
    found.update_yaxes(automargin=True, zeroline=False, fixedrange=True)
    return found


def heading(glyph: str, name: str, colour: str) -> None:
    """Over one panel of a figure: whose it is, with the marker of the role in its colour."""
    marked = f'<span style="color: {colour}">{glyph}</span>' if colour else glyph
    st.html(f'<h4 style="margin: 0; padding: 0; font: inherit; font-weight: 600">{marked} {html.escape(name)}</h4>')


def show(drawn: go.Figure, key: str, alt: str, **more: Any) -> Any:
    """Draws it; ``alt`` says in words what it shows."""
    return st.plotly_chart(drawn, key=key, config={"displayModeBar": False}, width="stretch", alt=alt, **more)


def table(rows: list[dict[str, Any]], name: str, title: str = "As a table", **columns: Any) -> None:
    """The numbers of a figure, folded away, and a button that saves them as CSV."""
    import pandas as pd  # takes half a second to load

    found = pd.DataFrame(rows)
    with st.expander(title, icon=":material/table:"):
        st.dataframe(found, hide_index=True, alt=f"{title}: {len(rows)} rows.", column_config=columns or None)
        st.download_button(
            "Save as CSV", found.to_csv(index=False), f"{name}.csv", "text/csv", key=f"save {name}",
            icon=":material/download:", on_click="ignore",
        )  # fmt: skip
