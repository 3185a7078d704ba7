"""Heat maps of a sweep, of validation accuracy and gain over the baseline by cell. A click selects a cell."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from kd_core.analysis.sweep_results import Cell, CorrectedGain, SweepResults, corrected_gains, spread
from kd_core.base.marks import percent, points, signed
from kd_core.config.sweep import GROUPS, titles, value_title
from pages.ui.app.cache import cached
from pages.ui.sweep.settings import cell_key, url
from pages.ui.widgets import charts, tables
from pages.ui.widgets.color_scales import colour_at, diverging, sequential, text_colour
from pages.ui.widgets.text.escape import escape_markdown

ACCURACY, GAIN = "accuracy", "gain"
HEADINGS = {ACCURACY: "Validation {} of the student, %", GAIN: "Gain over the baseline, points on validation"}
COLOUR_BARS = {ACCURACY: "{}, %", GAIN: "points"}
MAX_WITH_SPREAD, MAX_WITH_NUMBERS = 7, 12  # columns whose cells have room for the spread, for a number
MIN_RANGE = {ACCURACY: 5.0, GAIN: 2.0}  # points that the colours span at least, so that they do not show mere chance


def is_list(results: SweepResults) -> bool:
    """Return whether the cells are read as a list, which have one axis, of classes, whose names need room."""
    return [axis.option in GROUPS for axis in results.sweep.axes] == [True]


def maps(results: SweepResults, name: str, selected: Cell | None, *, is_active: bool) -> None:
    """Draw both maps side by side, once for each value of a third axis, how to read them, and the numbers."""
    has_control = any(cell.gains for cell in results.cells) or not any(cell.evaluated for cell in results.cells)
    measures = [ACCURACY, GAIN] if has_control else [ACCURACY]
    for number in range(results.shape[2]):
        at, suffix = "", ""
        if len(results.sweep.axes) > 2:
            value = results.sweep.axes[2].values[number]
            at, suffix = f"{axis_title(results, 2)} {value_title(results.sweep.axes[2].option, value)}", f" {number}"
            st.subheader(escape_markdown(at))
        for column, measure in zip(st.columns(len(measures), gap="medium"), measures, strict=True):
            with column:
                charts.heading("", HEADINGS[measure].format(score_title(results)), "")
                rows, key = results.shape[0], f"{measure} of sweep {name}{suffix}"
                figure = partial(_figure, results, measure, selected, number)
                charts.cached_chart(
                    f"{key} {fingerprint(results, selected)}", figure, key,
                    text_alternative(results, measure, number), height=max(200, min(460, 110 + 52 * rows)),
                    on_select=_click_handler(results, key), selection_mode="points",
                )  # fmt: skip
    st.caption(
        f"Means over seeds; {_spread_text(results)} ★ is the best so far on validation, the frame is the selected cell."
    )
    numbers(results, name, is_active=is_active)


def fingerprint(results: SweepResults, selected: Cell | None) -> int:
    """Return a number that changes with the results and with the selected cell."""
    return hash((results.cells, selected and selected.values))


def score_title(results: SweepResults) -> str:
    """Return what the task of a sweep calls its score, inside a sentence."""
    return results.sweep.base.dataset.task.validation_score_title


def axis_title(results: SweepResults, axis: int) -> str:
    """Return the title of the option on an axis."""
    option = results.sweep.axes[axis].option
    return titles(results.sweep.base).get(option, option)


def cell_title(results: SweepResults, cell: Cell) -> str:
    """Return the values of a cell in words, as "Temperature T 4, Teacher weight α 0.9"."""
    values = (
        f"{axis_title(results, axis)} {value_title(results.sweep.axes[axis].option, value)}"
        for axis, value in enumerate(cell.values)
    )
    return ", ".join(values) or "All seeds"


def numbers(results: SweepResults, name: str, *, is_active: bool, is_open: bool = False) -> None:
    """Draw the cells as a table and offer the runs as a file.

    Once the sweep is over, the gains have intervals and p-values. An open table is ordered by accuracy.
    """
    axes = [axis_title(results, axis) for axis in range(len(results.sweep.axes))]
    version = f"{name} {results.complete} {results.failed} {results.epochs}"
    gains = [] if is_active else cached(f"gains of sweep {version}", lambda: corrected_gains(results))
    options, score = [axis.option for axis in results.sweep.axes], score_title(results)
    column, spread_column = f"{score}, %", f"spread of {score}"

    def cells() -> list[dict[str, Any]]:
        return [
            dict(zip(axes, map(value_title, options, cell.values), strict=True))
            | {"seeds": len(cell.evaluated), "failed": cell.failed, column: cell.mean,
               spread_column: spread(cell.accuracies), "baseline, %": cell.control, "gain": cell.gain,
               "spread of gain": spread(cell.gains), **_corrected(gains[number] if gains else None),
               "best": "★" if cell is results.best else ""}
            for number, cell in enumerate(results.cells)
        ]  # fmt: skip

    def runs() -> list[dict[str, Any]]:
        return [
            dict(zip(axes, cell.values, strict=True))
            | {"seed": run.seed, "state": run.state, "epoch": run.epoch, f"validation {score}": run.accuracy,
               f"validation {score} of the baseline": run.control, "run": run.run}
            for cell in results.cells for run in cell.evaluations
        ]  # fmt: skip

    decimal: Any = st.column_config.NumberColumn(format="%.2f")
    decimals = (column, spread_column, "baseline, %", "gain", "spread of gain")
    columns = dict.fromkeys(decimals, decimal) | {"p": st.column_config.NumberColumn(format="%.2g")}
    alt = f"Every cell of the sweep: {len(results.cells)} rows."
    if is_open:
        st.subheader(f"Ordered by validation {score}")
        best_first = sorted(cells(), key=lambda row: -math.inf if row[column] is None else row[column], reverse=True)
        tables.table(best_first, alt=alt, **columns)
        tables.download(runs, f"sweep {name}")
    else:
        tables.numbers(runs, f"sweep {name}", alt=alt, table_rows=cells, **columns)
    if any(gain is not None and gain.p_value is not None for gain in gains):
        count = sum(gain is not None for gain in gains)
        significant = sum(gain is not None and gain.p_value is not None and gain.p_value < 0.05 for gain in gains)
        text = f"corrected for {count} comparisons (Holm); " if count > 1 else ""
        st.caption(
            f"Gains on validation with 95 % intervals and p-values, {text}{significant} of {count} are significant."
        )


def _corrected(gain: CorrectedGain | None) -> dict[str, Any]:
    interval = gain.interval if gain else None
    text = f"{format_value(interval[0], GAIN)} to {format_value(interval[1], GAIN)}" if interval else None
    return {"95 % interval": text, "p": gain.p_value if gain else None}


def text_alternative(results: SweepResults, measure: str, number: int = 0) -> str:
    """Return the text alternative of a map."""
    cells = results.cells[number :: results.shape[2]]
    values = [(value, cell) for cell in cells if (value := _value(cell, measure)) is not None]
    title = f"Heat map of {len(cells)} cells. {HEADINGS[measure].format(score_title(results))}"
    if not values:
        return f"{title}: no results yet."
    (low, lowest), (high, highest) = (pick(values, key=lambda pair: pair[0]) for pick in (min, max))
    return (
        f"{title}: highest {format_value(high, measure)} at {cell_title(results, highest)}; "
        f"lowest {format_value(low, measure)} at {cell_title(results, lowest)}; {len(values)} cells filled."
    )


def format_value(value: float | None, measure: str) -> str:
    """Return a number of a map with one decimal; gains with their sign."""
    if value is None:
        return "–"
    if measure == GAIN:
        return signed(value)
    return f"{value:.1f}"


def _value(cell: Cell, measure: str) -> float | None:
    return cell.gain if measure == GAIN else cell.mean


def _spread_text(results: SweepResults) -> str:
    seeds = len(results.sweep.seeds)
    if seeds == 1:
        return "one seed has no spread."
    return f"± is {'half the range of the 2' if seeds == 2 else f'the standard deviation over the {seeds}'} seeds."


def _figure(results: SweepResults, measure: str, selected: Cell | None, number: int) -> go.Figure:
    theme = charts.theme()
    rows, columns, _ = results.shape
    grid = [[results.at(row, column, number) for column in range(columns)] for row in range(rows)]
    values = [[_value(cell, measure) for cell in line] for line in grid]
    x, y = _axis_labels(results, 0), _axis_labels(results, 1)
    everywhere = [value for cell in results.cells if (value := _value(cell, measure)) is not None]
    low, high = _colour_range(everywhere, measure)  # one scale for all maps
    has_numbers = columns <= MAX_WITH_NUMBERS
    scale, unit = diverging() if measure == GAIN else sequential(), COLOUR_BARS[measure].format(score_title(results))
    heat = go.Heatmap(
        z=values, x=x, y=y, zmin=low, zmax=high, xgap=1, ygap=1, hoverinfo="skip",
        colorscale=[list(stop) for stop in scale],
        colorbar={"thickness": 10, "outlinewidth": 0, "title": {"text": unit, "side": "right"}},
    )  # fmt: skip
    figure = charts.small_figure(heat, _click_targets(results, grid, x, y), showlegend=False)
    figure.update_layout(plot_bgcolor=charts.WASH[theme], hovermode="closest")
    axis = {"type": "category", "showgrid": False, "dtick": 1, "categoryorder": "array"}
    figure.update_xaxes(title=axis_title(results, 0), range=[-0.5, columns - 0.5], categoryarray=x, **axis)
    y_title = {"title": axis_title(results, 1)} if len(results.sweep.axes) > 1 else {"showticklabels": False}
    figure.update_yaxes(range=[rows - 0.5, -0.5], categoryarray=y, **axis, **y_title)
    for row, line in enumerate(grid):
        for column, cell in enumerate(line):
            if has_numbers:
                value = values[row][column]
                place = None if value is None else (value - low) / (high - low)
                ink = charts.INK[theme] if place is None else text_colour(colour_at(scale, place))
                figure.add_annotation(
                    x=column, y=row, text=_cell_text(results, cell, measure), showarrow=False,
                    font={"size": 12 if columns <= MAX_WITH_SPREAD else 10, "color": ink},
                )  # fmt: skip
            if cell is selected:
                charts.frame_cell(figure, row, column, 3)
    return figure


def _axis_labels(results: SweepResults, axis: int) -> list[str]:
    axes = results.sweep.axes
    if axis >= len(axes):
        return [""]
    return [charts.escape_html(value_title(axes[axis].option, value)) for value in axes[axis].values]


def _colour_range(values: list[float], measure: str) -> tuple[float, float]:
    """Return the values at both ends of the colour scale; the scale of gains is centred at zero."""
    if measure == GAIN:
        limit = max([MIN_RANGE[measure], *(abs(value) for value in values)])
        return -limit, limit
    if not values:
        return 0.0, 100.0
    missing = max(0.0, MIN_RANGE[measure] - (max(values) - min(values))) / 2
    return min(values) - missing, max(values) + missing


def _cell_text(results: SweepResults, cell: Cell, measure: str) -> str:
    value = _value(cell, measure)
    if value is None:
        return "failed" if cell.failed else ""
    star = "★ " if cell is results.best and measure == ACCURACY else ""
    deviation = spread(cell.gains if measure == GAIN else cell.accuracies)
    text = f"{star}{format_value(value, measure)}"
    has_room = results.shape[1] <= MAX_WITH_SPREAD
    return f"{text}<br>±{deviation:.1f}" if deviation is not None and has_room else text


def _click_targets(results: SweepResults, grid: list[list[Cell]], x: list[str], y: list[str]) -> go.Scatter:
    """Return invisible markers over the cells, since Plotly reports no clicks on a heat map."""
    places = [(row, column) for row in range(len(y)) for column in range(len(x))]
    invisible = {"marker": {"opacity": 0}}
    return go.Scatter(
        x=[x[column] for _, column in places], y=[y[row] for row, _ in places], mode="markers",
        text=[_hover(results, grid[row][column]) for row, column in places], hovertemplate="%{text}<extra></extra>",
        customdata=[cell_key(grid[row][column].values) for row, column in places],
        marker={"symbol": "square", "size": 30 if len(x) <= MAX_WITH_NUMBERS else 12, "opacity": 0},
        selected=invisible, unselected=invisible,
    )  # fmt: skip


def _hover(results: SweepResults, cell: Cell) -> str:
    seeds, deviation = len(results.sweep.seeds), spread(cell.accuracies)
    lines = [
        charts.escape_html(cell_title(results, cell)),
        f"{len(cell.evaluated)} of {seeds} seeds, epoch {cell.epochs[1]}",
    ]
    if cell.mean is not None:
        plus_minus = f" ± {deviation:.1f}" if deviation is not None else ""
        lines.append(f"{score_title(results)} {percent(cell.mean / 100)}{plus_minus}")
    if cell.control is not None:
        lines.append(f"baseline {percent(cell.control / 100)}")
        lines.append(f"gain {points(cell.gain)}" if cell.gain is not None else "no gain yet")
    if cell.failed:
        lines.append(f"{cell.failed} failed")
    return "<br>".join(lines)


def _click_handler(results: SweepResults, key: str) -> Callable[[], None]:
    cells = {cell_key(cell.values) for cell in results.cells}

    def callback() -> None:
        points = st.session_state[f"chart {key}"].selection.points
        data = points[0].get("customdata") if points else None
        cell = data[0] if isinstance(data, list) else data
        if cell in cells:
            url.update(cell=cell)

    return callback
