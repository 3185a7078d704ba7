"""Slices through the map: what the chosen cell's row and column look like as lines, with the spread of every point."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import streamlit as st

from kd_core import axes
from kd_core.atlas import Atlas, Cell, spread
from kd_core.options import as_text
from pages.ui import charts
from pages.ui.components.palette import ROLES
from pages.ui.heat import title, titled


def slices(atlas: Atlas, name: str, chosen: Cell) -> None:
    """One chart per axis of more than one value."""
    drawn = [at for at, axis in enumerate(atlas.sweep.axes) if len(axis.values) > 1]
    if not drawn:
        return
    st.subheader("Slices through the chosen cell")
    for column, at in zip(st.columns(len(drawn), gap="medium"), drawn, strict=True):
        with column:
            others = [f"{title(atlas, k)} {value}" for k, value in enumerate(chosen.values) if k != at]
            charts.heading("", f"Along {title(atlas, at)}" + (f", at {', '.join(others)}" if others else ""), "")
            cells = [cell for cell in atlas.along(at, chosen) if cell.seen]
            if not cells:
                st.caption("Nothing is known along this line yet.")
                continue
            charts.chart(
                _lines(atlas, at, cells, chosen), f"slice {at} of sweep {name}", _words(atlas, cells), height=320
            )
    st.caption("Bars: ± the spread over seeds. Numbers are drawn in their order, whatever order they were typed in.")


def _numbers(atlas: Atlas, axis: int) -> dict[str, float] | None:
    """The values of an axis as numbers; None where they are names."""
    option = axes.offered(atlas.sweep.base).get(atlas.sweep.axes[axis].option)
    if option is None or option.kind not in ("number", "whole"):
        return None
    return {text: float(text) for text in atlas.sweep.axes[axis].values}


def _lines(atlas: Atlas, axis: int, cells: list[Cell], chosen: Cell) -> go.Figure:
    numbers = _numbers(atlas, axis)
    if numbers:
        cells = sorted(cells, key=lambda cell: numbers[cell.values[axis]])
    x: list[Any] = [numbers[cell.values[axis]] if numbers else charts.literal(cell.values[axis]) for cell in cells]
    figure = go.Figure()
    for role, called in (("student", "Student"), ("baseline", "Baseline")):
        each = [cell.accuracies if role == "student" else cell.controls for cell in cells]
        known = [(place, own) for place, own in zip(x, each, strict=True) if own]
        if not known:
            continue
        look, colour = ROLES[role], ROLES[role][charts.theme()]
        means = [sum(own) / len(own) for _, own in known]
        figure.add_scatter(
            x=[place for place, _ in known], y=means, name=called, mode="lines+markers",
            line={"color": colour, "dash": look["dash"], "width": look["width"]},
            marker={"symbol": look["symbol"], "size": 8, "color": colour},
            error_y={"array": [spread(own) or 0.0 for _, own in known], "color": colour, "thickness": 1.2, "width": 4},
            hovertemplate="%{x}: %{y:.1f} %<extra>" + called + "</extra>",
        )  # fmt: skip
    here = numbers[chosen.values[axis]] if numbers else charts.literal(chosen.values[axis])
    is_log = bool(numbers) and axes.is_logarithmic(tuple(x))
    figure.update_layout(
        margin={"t": charts.BAR + charts.LEGEND, "b": 50, "l": 10, "r": 20},
        dragmode=False,
        legend=charts.above(),
    )
    ticks = {"tickvals": x, "ticktext": [as_text(float(each)) for each in x]} if numbers else {"type": "category"}
    figure.update_xaxes(title=title(atlas, axis), automargin=True, type="log" if is_log else None, fixedrange=True)
    figure.update_xaxes(**ticks)
    figure.update_yaxes(title="validation accuracy, %", automargin=True, fixedrange=True)
    if cells and any(cell is chosen for cell in cells):
        figure.add_vline(x=here, line={"color": charts.GREY[charts.theme()], "width": 1, "dash": "dot"})
    return figure


def _words(atlas: Atlas, cells: list[Cell]) -> str:
    said = "; ".join(f"{titled(atlas, cell)}: {cell.mean:.1f} %" for cell in cells if cell.mean is not None)
    return f"Validation accuracy of the student along a line of the map. {said}. The numbers are in the table above."
