"""Charts that stand still: drawn in the page's theme, with a text alternative and the buttons that save them."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from pages.ui.app.cache import cached
from pages.ui.components.palette import Theme

PAPER = {"light": "#FFFFFF", "dark": "#0E1117"}
INK = {"light": "#1D2027", "dark": "#ECEAE4"}
WASH = {"light": "#F1F0EC", "dark": "#1A1E28"}  # where nothing was counted
GREY = {"light": "#6B6B6B", "dark": "#B3B3B3"}
FAINT = {"light": "#A9ABB0", "dark": "#5A606C"}
PLOTLY_MARKERS = ("circle", "triangle-up", "square", "diamond")  # palette.CLASS_MARKERS, as Plotly names them
LINE, BAR, LEGEND = 15, 34, 28  # pixels: of a line of text, of the buttons above a chart, of a legend in one row
SCALE = 2  # pixels of a saved picture for one on the screen


def theme() -> Theme:
    """Of the page as its viewer sees it."""
    return "dark" if st.context.theme.type == "dark" else "light"


def escape_html(text: str) -> str:
    """A name from somebody's data as Plotly shows it letter by letter: it reads a little HTML."""
    return html.escape(text)


def small_figure(*traces: Any, **layout: Any) -> go.Figure:
    """A figure for small panels: next to no margins, and nothing to zoom into, so that a finger on it scrolls the
    page."""
    found = go.Figure(list(traces))
    found.update_layout(
        margin={"l": 8, "r": 8, "t": BAR, "b": 8}, dragmode=False, font={"size": 12}, hoverlabel={"align": "left"},
        plot_bgcolor="rgba(0,0,0,0)", **layout,
    )  # fmt: skip
    found.update_xaxes(automargin=True, zeroline=False, fixedrange=True)
    found.update_yaxes(automargin=True, zeroline=False, fixedrange=True)
    return found


def top_legend(**place: Any) -> dict[str, Any]:
    """A legend in rows between the buttons of a chart and its plot."""
    return {"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0, **place}


def frame_cell(figure: go.Figure, row: int, column: int, width: float) -> None:
    """A frame around one cell of a map, light and dark, so that it is seen on any colour."""
    for ink, pixels in ((PAPER[theme()], 7 / 3 * width), (INK[theme()], width)):
        figure.add_shape(
            type="rect", x0=column - 0.5, x1=column + 0.5, y0=row - 0.5, y1=row + 0.5,
            line={"color": ink, "width": pixels},
        )  # fmt: skip


def heading(glyph: str, name: str, colour: str) -> None:
    """Over one of several charts: whose it is, with the marker of the role in its colour."""
    marked = f'<span style="color: {colour}">{glyph}</span>' if colour else glyph
    st.html(f'<h4 style="margin: 0; padding: 0; font: inherit; font-weight: 600">{marked} {html.escape(name)}</h4>')


def chart(figure: go.Figure, name: str, alt: str, *, height: int = 420, **more: Any) -> Any:
    """Draws it under the key ``chart {name}``, with the button that saves it, as SVG or PNG, above its corner; ``alt``
    says in words what it shows, ``more`` goes to Streamlit."""
    return _shown(_finished(figure, name, height), name, alt, **more)


def cached_chart(
    key: str, draw: Callable[[], go.Figure], name: str, alt: str, *, height: int = 420, **more: Any
) -> Any:
    """The same for a figure that ``key`` names with all it shows but the theme. Building it takes Plotly far longer
    than sending it, so it is built for the first who looks: see :mod:`pages.ui.app.cache`."""
    checked = cached(f"figure {theme()} {key}", lambda: _finished(draw(), name, height).to_dict())
    return _shown(_Checked(checked), name, alt, **more)


class _Checked(go.Figure):  # type: ignore[misc]  # plotly says nothing of types
    """A figure that Plotly has built and checked before, as it came out of that."""

    def __init__(self, checked: dict[str, Any]) -> None:
        object.__setattr__(self, "_checked", checked)

    def to_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = self._checked
        return found


def _finished(figure: go.Figure, name: str, height: int) -> go.Figure:
    seen = theme()
    figure.update_layout(
        height=height, uirevision=name, hoverlabel={"namelength": -1},
        paper_bgcolor=PAPER[seen],  # a saved picture is to be read wherever it is put
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": GREY[seen], "activecolor": INK[seen]},
    )  # fmt: skip
    return figure


def _shown(figure: go.Figure, name: str, alt: str, **more: Any) -> Any:
    return st.plotly_chart(
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


def format_picker() -> None:
    """In which format charts are saved."""
    st.segmented_control(
        "Save charts as", ["SVG", "PNG"], key="picture format", default="SVG", required=True,
        help="The camera at the top right of a chart saves it in this format. Its numbers are the CSV below it.",
    )  # fmt: skip


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


def label_shifts(places: Sequence[float], pixels: float) -> list[float]:
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
    return str(st.session_state.get("picture format", "SVG")).lower()
