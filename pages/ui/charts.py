"""What the figures of the Inspect page have in common: theme, a text alternative, a table that can be saved."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from pages.ui.browser.palette import Theme
from pages.ui.once import once

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


class Checked(go.Figure):  # type: ignore[misc]  # plotly says nothing of types
    """A figure that Plotly has built and checked before, as it came out of that."""

    def __init__(self, checked: dict[str, Any]) -> None:
        object.__setattr__(self, "_checked", checked)

    def to_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = self._checked
        return found


def kept(key: str, draw: Callable[[], go.Figure]) -> go.Figure:
    """The figure of this ``key``, which names all that it shows but the theme. Building it takes Plotly far longer than
    sending it, so it is built for the first who looks, and only :func:`show` can do something with it."""
    return Checked(once(f"figure {theme()} {key}", lambda: draw().to_dict()))


def heading(glyph: str, name: str, colour: str) -> None:
    """Over one panel of a figure: whose it is, with the marker of the role in its colour."""
    marked = f'<span style="color: {colour}">{glyph}</span>' if colour else glyph
    st.html(f'<h4 style="margin: 0; padding: 0; font: inherit; font-weight: 600">{marked} {html.escape(name)}</h4>')


def show(drawn: go.Figure, key: str, alt: str, **more: Any) -> Any:
    """Draws it; ``alt`` says in words what it shows."""
    return st.plotly_chart(drawn, key=key, config={"displayModeBar": False}, width="stretch", alt=alt, **more)


def table(key: str, rows: Callable[[], list[dict[str, Any]]], name: str, title: str = "As a table") -> None:
    """The numbers of a figure, folded away, and a button that saves them as CSV. ``key`` names all that the rows depend
    on; see :mod:`pages.ui.once`."""

    def work_out() -> tuple[Any, str]:
        import pandas as pd  # takes half a second to load

        frame = pd.DataFrame(rows())
        return frame, frame.to_csv(index=False)

    found, text = once(f"table {name} {key}", work_out)
    with st.expander(title, icon=":material/table:"):
        st.dataframe(found, hide_index=True, alt=f"{title}: {len(found)} rows.")
        st.download_button(
            "Save as CSV", text, f"{name}.csv", "text/csv", key=f"save {name}",
            icon=":material/download:", on_click="ignore",
        )  # fmt: skip
