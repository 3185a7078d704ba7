"""The maps of a sweep: what every cell reached on validation, and its gain over the control; a click chooses a cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from kd_core.analysis.sweep_results import Cell, SweepResults, spread
from kd_core.config import sweep
from pages.ui.sweep import url_state
from pages.ui.widgets import charts, tables
from pages.ui.widgets.color_scales import DIVERGING, SCALES, colour_at, text_colour

ACCURACY, GAIN = "accuracy", "gain"
HEADINGS = {ACCURACY: "Validation accuracy of the student, %", GAIN: "Gain over the baseline, points on validation"}
WITH_SPREAD, WITH_NUMBERS = 7, 12  # columns whose cells have room for both, for a number
LEAST = {ACCURACY: 5.0, GAIN: 2.0}  # points that the colours span at least: less would paint chance


def maps(atlas: SweepResults, name: str, chosen: Cell | None) -> None:
    """Both maps side by side, how to read them, and the numbers."""
    has_control = any(cell.gains for cell in atlas.cells) or not any(cell.evaluated for cell in atlas.cells)
    shown = [ACCURACY, GAIN] if has_control else [ACCURACY]
    for column, of in zip(st.columns(len(shown), gap="medium"), shown, strict=True):
        with column:
            charts.heading("", HEADINGS[of], "")
            rows = atlas.shape[0]
            charts.chart(
                _map(atlas, of, chosen), f"{of} of sweep {name}", in_words(atlas, of),
                height=max(200, min(460, 110 + 52 * rows)), on_select=_clicked(atlas, f"{of} of sweep {name}"),
                selection_mode="points",
            )  # fmt: skip
    st.caption(
        f"Means over seeds; {_about_spread(atlas)} ★ is the best so far on validation, the frame is the chosen cell."
    )
    numbers(atlas, name)


def axis_title(atlas: SweepResults, axis: int) -> str:
    """What an axis is called."""
    option = atlas.sweep.axes[axis].option
    return sweep.titles(atlas.sweep.base).get(option, option)


def cell_title(atlas: SweepResults, cell: Cell) -> str:
    """A cell in words: "Temperature T 4, Teacher weight α 0.9"."""
    named = (f"{axis_title(atlas, at)} {value}" for at, value in enumerate(cell.values))
    return ", ".join(named) or "All seeds"


def numbers(atlas: SweepResults, name: str) -> None:
    """Cells as a table, runs as a file."""
    names = [axis_title(atlas, at) for at in range(len(atlas.sweep.axes))]
    cells: list[dict[str, Any]] = [
        dict(zip(names, cell.values, strict=True))
        | {"seeds": len(cell.evaluated), "failed": cell.failed, "accuracy, %": cell.mean,
           "spread of accuracy": spread(cell.accuracies), "baseline, %": cell.control, "gain": cell.gain,
           "spread of gain": spread(cell.gains), "best": "★" if cell is atlas.best else ""}
        for cell in atlas.cells
    ]  # fmt: skip
    single: list[dict[str, Any]] = [
        dict(zip(names, cell.values, strict=True))
        | {"seed": look.seed, "state": look.state, "epoch": look.epoch, "validation accuracy": look.accuracy,
           "validation accuracy of the baseline": look.control, "run": look.run}
        for cell in atlas.cells for look in cell.evaluations
    ]  # fmt: skip
    decimal: Any = st.column_config.NumberColumn(format="%.2f")
    tables.numbers(
        single, f"sweep {name}", alt=f"Every cell of the sweep: {len(cells)} rows.", table_rows=cells,
        **{column: decimal for column in cells[0] if "%" in column or "spread" in column or column == "gain"},
    )  # fmt: skip


def in_words(atlas: SweepResults, of: str) -> str:
    """The text alternative of a map."""
    known = [cell for cell in atlas.cells if _value(cell, of) is not None]
    what = f"Heat map of {len(atlas.cells)} cells. {HEADINGS[of]}"
    if not known:
        return f"{what}: nothing is known yet."
    low, high = (pick(known, key=lambda cell: _value(cell, of) or 0.0) for pick in (min, max))
    return (
        f"{what}: highest {written(_value(high, of), of)} at {cell_title(atlas, high)}; "
        f"lowest {written(_value(low, of), of)} at {cell_title(atlas, low)}; {len(known)} cells filled."
    )


def written(value: float | None, of: str) -> str:
    """A number of a map with one decimal; gains with their sign."""
    if value is None:
        return "–"
    if of == GAIN:
        return f"{round(value, 1) + 0.0:+.1f}".replace("-", "−")  # a rounded −0.02 is +0.0
    return f"{value:.1f}"


def _value(cell: Cell, of: str) -> float | None:
    return cell.gain if of == GAIN else cell.mean


def _spread(cell: Cell, of: str) -> float | None:
    return spread(cell.gains if of == GAIN else cell.accuracies)


def _about_spread(atlas: SweepResults) -> str:
    seeds = len(atlas.sweep.seeds)
    if seeds == 1:
        return "one seed has no spread."
    return f"± is {'half the range of the 2' if seeds == 2 else f'the standard deviation over the {seeds}'} seeds."


def _map(atlas: SweepResults, of: str, chosen: Cell | None) -> go.Figure:
    theme = charts.theme()
    rows, columns = atlas.shape
    grid = [[atlas.at(row, column) for column in range(columns)] for row in range(rows)]
    values = [[_value(cell, of) for cell in line] for line in grid]
    x, y = _names(atlas, 0), _names(atlas, 1)
    low, high = _range([value for line in values for value in line if value is not None], of)
    has_numbers = columns <= WITH_NUMBERS
    best = atlas.best
    heat = go.Heatmap(
        z=values, x=x, y=y, zmin=low, zmax=high, xgap=1, ygap=1, hoverinfo="skip", showscale=not has_numbers,
        colorscale=[list(stop) for stop in (DIVERGING if of == GAIN else SCALES)[theme]],
        colorbar={"thickness": 10, "outlinewidth": 0},
    )  # fmt: skip
    drawn = charts.small_figure(heat, _handles(atlas, grid, x, y), showlegend=False)
    drawn.update_layout(plot_bgcolor=charts.WASH[theme], hovermode="closest")
    axis = {"type": "category", "showgrid": False, "dtick": 1, "categoryorder": "array"}
    drawn.update_xaxes(title=axis_title(atlas, 0), range=[-0.5, columns - 0.5], categoryarray=x, **axis)
    named = {"title": axis_title(atlas, 1)} if len(atlas.sweep.axes) > 1 else {"showticklabels": False}
    drawn.update_yaxes(range=[rows - 0.5, -0.5], categoryarray=y, **axis, **named)
    scale = (DIVERGING if of == GAIN else SCALES)[theme]
    for row, line in enumerate(grid if has_numbers else []):
        for column, cell in enumerate(line):
            value = values[row][column]
            ink = charts.INK[theme] if value is None else text_colour(colour_at(scale, (value - low) / (high - low)))
            drawn.add_annotation(
                x=column, y=row, text=_written(cell, of, columns, is_best=cell is best), showarrow=False,
                font={"size": 12 if columns <= WITH_SPREAD else 10, "color": ink},
            )  # fmt: skip
    place = next(((r, c) for r in range(rows) for c in range(columns) if grid[r][c] is chosen), None)
    if place is not None:
        row, column = place
        charts.frame_cell(drawn, row, column, 3)
    return drawn


def _names(atlas: SweepResults, axis: int) -> list[str]:
    found = atlas.sweep.axes[axis].values if axis < len(atlas.sweep.axes) else ("",)
    return [charts.escape_html(value) for value in found]


def _range(values: list[float], of: str) -> tuple[float, float]:
    """What the ends of the colours stand for; zero is in the middle of those for gains."""
    if of == GAIN:
        limit = max([LEAST[of], *(abs(value) for value in values)])
        return -limit, limit
    if not values:
        return 0.0, 100.0
    missing = max(0.0, LEAST[of] - (max(values) - min(values))) / 2
    return min(values) - missing, max(values) + missing


def _written(cell: Cell, of: str, columns: int, *, is_best: bool) -> str:
    value, own = _value(cell, of), _spread(cell, of)
    if value is None:
        return "failed" if cell.failed else ""
    said = f"{'★ ' if is_best and of == ACCURACY else ''}{written(value, of)}"
    return f"{said}<br>±{own:.1f}" if own is not None and columns <= WITH_SPREAD else said


def _handles(atlas: SweepResults, grid: list[list[Cell]], x: list[str], y: list[str]) -> go.Scatter:
    """Invisible markers over the cells: a heat map tells nobody that it was clicked."""
    spots = [(r, c) for r in range(len(y)) for c in range(len(x))]
    invisible = {"marker": {"opacity": 0}}
    return go.Scatter(
        x=[x[c] for _, c in spots], y=[y[r] for r, _ in spots], mode="markers",
        text=[_hover(atlas, grid[r][c]) for r, c in spots], hovertemplate="%{text}<extra></extra>",
        customdata=[url_state.cell_key(grid[r][c].values) for r, c in spots],
        marker={"symbol": "square", "size": 30 if len(x) <= WITH_NUMBERS else 12, "opacity": 0},
        selected=invisible, unselected=invisible,
    )  # fmt: skip


def _hover(atlas: SweepResults, cell: Cell) -> str:
    seeds, own = len(atlas.sweep.seeds), spread(cell.accuracies)
    lines = [
        charts.escape_html(cell_title(atlas, cell)),
        f"{len(cell.evaluated)} of {seeds} seeds, epoch {cell.epochs[1]}",
    ]
    if cell.mean is not None:
        lines.append(f"accuracy {cell.mean:.1f} %" + (f" ± {own:.1f}" if own is not None else ""))
    if cell.control is not None:
        lines += [f"baseline {cell.control:.1f} %", f"gain {written(cell.gain, GAIN)} points"]
    if cell.failed:
        lines.append(f"{cell.failed} failed")
    return "<br>".join(lines)


def _clicked(atlas: SweepResults, name: str) -> Callable[[], None]:
    labels = {url_state.cell_key(cell.values) for cell in atlas.cells}

    def callback() -> None:
        points = st.session_state[f"chart {name}"].selection.points
        found = points[0].get("customdata") if points else None
        wanted = found[0] if isinstance(found, list) else found
        if wanted in labels:
            url_state.update_url(cell=wanted)

    return callback
