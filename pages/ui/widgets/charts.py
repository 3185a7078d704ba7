"""Plotly charts in the page's theme, with a text alternative and an image download."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from pages.ui.app.cache import cached
from pages.ui.components.palette import Theme
from pages.ui.widgets import projector

PAPER = {"light": "#FFFFFF", "dark": "#0E1117"}
INK = {"light": "#1D2027", "dark": "#ECEAE4"}
WASH = {"light": "#F1F0EC", "dark": "#1A1E28"}  # of cells without a value
GREY = {"light": "#6B6B6B", "dark": "#B3B3B3"}
FAINT = {"light": "#A9ABB0", "dark": "#5A606C"}
PLOTLY_MARKERS = ("circle", "triangle-up", "square", "diamond")  # palette.CLASS_MARKERS, as Plotly names them
LINE, BAR, LEGEND = 15, 34, 28  # heights in pixels of a line of text, the buttons above a chart, a legend in one row
SCALE = 2  # pixels of a saved image per pixel on the screen


def theme() -> Theme:
    """Return the theme that the current session shows."""
    return "dark" if st.context.theme.type == "dark" else "light"


def escape_html(text: str) -> str:
    """Escape a name from users' data for Plotly, which interprets some HTML."""
    return html.escape(text)


def small_figure(*traces: Any, **layout: Any) -> go.Figure:
    """Return a figure with narrow margins and without zoom, so that dragging a finger over it scrolls the page."""
    figure = go.Figure(list(traces))
    figure.update_layout(
        margin={"l": 8, "r": 8, "t": BAR, "b": 8}, dragmode=False, font={"size": 12}, hoverlabel={"align": "left"},
        plot_bgcolor="rgba(0,0,0,0)", **layout,
    )  # fmt: skip
    figure.update_xaxes(automargin=True, zeroline=False, fixedrange=True)
    figure.update_yaxes(automargin=True, zeroline=False, fixedrange=True)
    return figure


def top_legend(**place: Any) -> dict[str, Any]:
    """Return the layout of a horizontal legend between the buttons of a chart and its plot."""
    return {"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0, **place}


def frame_cell(figure: go.Figure, row: int, column: int, width: float) -> None:
    """Draw a frame around one cell of a heat map, light and dark, so that it is visible on any colour."""
    for ink, pixels in ((PAPER[theme()], 7 / 3 * width), (INK[theme()], width)):
        figure.add_shape(
            type="rect", x0=column - 0.5, x1=column + 0.5, y0=row - 0.5, y1=row + 0.5,
            line={"color": ink, "width": pixels},
        )  # fmt: skip


def heading(glyph: str, name: str, colour: str) -> None:
    """Draw a network's name with its marker in its colour as the heading of one of several charts."""
    marker = f'<span style="color: {colour}">{glyph}</span>' if colour else glyph
    st.html(f'<h3 style="margin: 0; padding: 0; font: inherit; font-weight: 600">{marker} {html.escape(name)}</h3>')


def chart(figure: go.Figure, name: str, alt: str, *, height: int = 420, **more: Any) -> Any:
    """Draw a figure under the key ``chart {name}``, with a button that saves it as SVG or PNG.

    Args:
        figure: the Plotly figure; its layout is changed.
        name: the name of the chart and of the saved file.
        alt: what the chart shows, in words.
        height: in pixels.
        more: further arguments of ``st.plotly_chart``.
    """
    return _draw(_styled(figure, name, height), name, alt, **more)


def cached_chart(
    key: str, build: Callable[[], go.Figure], name: str, alt: str, *, height: int = 420, **more: Any
) -> Any:
    """Draw a figure as :func:`chart` does, cached under ``key``, which names all that it shows except the theme.

    Plotly takes far longer to build a figure than to send it, see :mod:`pages.ui.app.cache`.
    """
    validated = cached(f"figure {theme()} {projector.is_on()} {key}", lambda: _styled(build(), name, height).to_dict())
    return _draw(_ValidatedFigure(validated), name, alt, **more)


class _ValidatedFigure(go.Figure):  # type: ignore[misc]  # plotly has no type annotations
    """Figure made of a dictionary that Plotly has validated before."""

    def __init__(self, validated: dict[str, Any]) -> None:
        object.__setattr__(self, "_validated", validated)

    def to_dict(self) -> dict[str, Any]:
        validated: dict[str, Any] = self._validated
        return validated


def _styled(figure: go.Figure, name: str, height: int) -> go.Figure:
    current = theme()
    figure.update_layout(
        height=height, uirevision=name, hoverlabel={"namelength": -1},
        paper_bgcolor=PAPER[current],  # a saved image must be readable on any background
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": GREY[current], "activecolor": INK[current]},
    )  # fmt: skip
    return projector.enlarge(figure)


def _draw(figure: go.Figure, name: str, alt: str, **more: Any) -> Any:
    return st.plotly_chart(
        figure,
        key=f"chart {name}",
        width="stretch",
        alt=alt,
        config={
            "displaylogo": False,
            "displayModeBar": True,
            "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
            "toImageButtonOptions": {
                "format": str(st.session_state.get("picture format", "SVG")).lower(),
                "filename": name,
                "scale": SCALE,
            },
        },
        **more,
    )


def format_picker() -> None:
    """Draw the choice of the format in which charts are saved."""
    st.segmented_control(
        "Save charts as", ["SVG", "PNG"], key="picture format", default="SVG", required=True,
        help="The camera at the top right of a chart saves it in this format. The CSV below a chart has its numbers.",
    )  # fmt: skip


def axis(title: str, values: Sequence[float], *, is_log: bool) -> dict[str, Any]:
    """Return the layout of a Plotly axis.

    A logarithmic one has labels at 1, 2 and 5 times every power of ten, or, over more than three powers, at the powers
    only.
    """
    layout: dict[str, Any] = {"title": title, "automargin": True, "type": "log" if is_log else "linear"}
    if is_log:
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        factors = (1, 2, 5) if high - low <= 3 else (1,)
        ticks = [factor * 10.0**power for power in range(low - 1, high + 2) for factor in factors]
        layout |= {"tickvals": ticks, "ticktext": [f"{tick:,.10g}" for tick in ticks]}
    return layout


def label_shifts(places: Sequence[float], pixels: float) -> list[float]:
    """Return by how many pixels each label must move up so that no two overlap.

    Args:
        places: the labels' positions as fractions of the axis, 0 at its bottom.
        pixels: the length of the axis.
    """
    order = sorted(range(len(places)), key=lambda label: places[label])
    heights = [places[label] * pixels for label in order]
    for rank in range(1, len(heights)):
        heights[rank] = max(heights[rank], heights[rank - 1] + LINE)
    excess = max(0.0, heights[-1] - max(pixels, LINE * len(heights))) if heights else 0.0
    for rank in reversed(range(len(heights))):
        is_top = rank == len(heights) - 1
        heights[rank] = heights[rank] - excess if is_top else min(heights[rank], heights[rank + 1] - LINE)
    shifts = [0.0] * len(places)
    for label, height in zip(order, heights, strict=True):
        shifts[label] = height - places[label] * pixels
    return shifts


def annotate_points(
    figure: go.Figure, labels: Mapping[tuple[float, float], str], limits: tuple[float, float], pixels: float
) -> None:
    """Write a label beside each point, without overlap among points of the same x.

    Args:
        figure: the figure, whose x-axis is logarithmic.
        labels: the labels by point (x, y).
        limits: the lowest and the highest y of the axis.
        pixels: the height of the plot.
    """
    low, high = limits
    for x in {x for x, _ in labels}:
        heights = [y for other, y in labels if other == x]
        shifts = label_shifts([(y - low) / (high - low) for y in heights], pixels)
        for y, shift in zip(heights, shifts, strict=True):
            figure.add_annotation(
                x=math.log10(x), y=y, yshift=shift, text=labels[x, y], showarrow=False, xanchor="left", xshift=8,
                bgcolor=PAPER[theme()], borderpad=1,
            )  # fmt: skip
