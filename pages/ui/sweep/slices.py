"""Line charts of the selected cell's row and column, with the spread of every point."""

from __future__ import annotations

from functools import partial
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from kd_core.analysis.sweep_results import Cell, SweepResults, spread
from kd_core.base.marks import percent
from kd_core.base.options import as_text
from kd_core.config.sweep import is_logarithmic, sweepable_options, value_title
from pages.ui.components.palette import ROLES
from pages.ui.sweep.heatmap import axis_title, cell_title, fingerprint, score_title
from pages.ui.widgets import charts


def slices(results: SweepResults, name: str, selected: Cell) -> None:
    """Draw one chart per axis of more than one value."""
    axes = [index for index, axis in enumerate(results.sweep.axes) if len(axis.values) > 1]
    if not axes:
        return
    st.subheader("Slices through the selected cell")
    for column, axis in zip(st.columns(len(axes), gap="medium"), axes, strict=True):
        with column:
            fixed = [f"{axis_title(results, k)} {value}" for k, value in enumerate(selected.values) if k != axis]
            at = f", at {', '.join(fixed)}" if fixed else ""
            charts.heading("", f"Along {axis_title(results, axis)}{at}", "")
            cells = [cell for cell in results.along(axis, selected) if cell.evaluated]
            if not cells:
                st.caption("No results along this line yet.")
                continue
            key = f"slice {axis} of sweep {name}"
            charts.cached_chart(
                f"{key} {fingerprint(results, selected)}", partial(_figure, results, axis, cells, selected), key,
                _text_alternative(results, cells), height=320,
            )  # fmt: skip
    st.caption("Bars: ± the spread over seeds. Numbers are sorted, in whatever order they were typed.")


def _numeric_values(results: SweepResults, axis: int) -> dict[str, float] | None:
    """Return the values of an axis as numbers; None where they are names."""
    option = sweepable_options(results.sweep.base).get(results.sweep.axes[axis].option)
    if option is None or option.kind not in ("number", "whole"):
        return None
    return {text: float(text) for text in results.sweep.axes[axis].values}


def _figure(results: SweepResults, axis: int, cells: list[Cell], selected: Cell) -> go.Figure:
    numbers = _numeric_values(results, axis)

    def place(cell: Cell) -> Any:
        text = cell.values[axis]
        option = results.sweep.axes[axis].option
        return numbers[text] if numbers else charts.escape_html(value_title(option, text))

    if numbers:
        cells = sorted(cells, key=place)
    figure = go.Figure()
    for role, title in (("student", "Student"), ("baseline", "Baseline")):
        points = [
            (place(cell), accuracies)
            for cell in cells
            if (accuracies := cell.accuracies if role == "student" else cell.controls)
        ]
        if not points:
            continue
        look, colour = ROLES[role], ROLES[role][charts.theme()]
        spreads = [spread(accuracies) or 0.0 for _, accuracies in points]
        figure.add_scatter(
            x=[x for x, _ in points], y=[sum(accuracies) / len(accuracies) for _, accuracies in points], name=title,
            mode="lines+markers", line={"color": colour, "dash": look["dash"], "width": look["width"]},
            marker={"symbol": look["symbol"], "size": 8, "color": colour},
            error_y={"array": spreads, "color": colour, "thickness": 1.2, "width": 4},
            hovertemplate="%{x}: %{y:.1f}\u00a0%<extra>" + title + "</extra>",
        )  # fmt: skip
    x = [place(cell) for cell in cells]
    is_log = bool(numbers) and is_logarithmic(tuple(x))
    figure.update_layout(
        margin={"t": charts.BAR + charts.LEGEND, "b": 50, "l": 10, "r": 20}, dragmode=False, legend=charts.top_legend()
    )
    ticks = {"tickvals": x, "ticktext": [as_text(float(tick)) for tick in x]} if numbers else {"type": "category"}
    title = axis_title(results, axis)
    figure.update_xaxes(title=title, automargin=True, type="log" if is_log else None, fixedrange=True)
    figure.update_xaxes(**ticks)
    figure.update_yaxes(title=f"validation {score_title(results)}, %", automargin=True, fixedrange=True)
    if any(cell is selected for cell in cells):
        figure.add_vline(x=place(selected), line={"color": charts.GREY[charts.theme()], "width": 1, "dash": "dot"})
    return figure


def _text_alternative(results: SweepResults, cells: list[Cell]) -> str:
    values = "; ".join(
        f"{cell_title(results, cell)}: {percent(cell.mean / 100)}" for cell in cells if cell.mean is not None
    )
    what = f"Validation {score_title(results)} of the student along a line of the map"
    return f"{what}. {values}. The numbers are in the table above."
