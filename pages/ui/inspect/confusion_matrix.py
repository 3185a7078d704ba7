"""Confusion matrices of the networks, and the difference between student and baseline."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from kd_core.analysis.error_analysis import DIFFERENCE
from kd_core.base.marks import SPACE, percent, signed
from kd_core.config.plan import BASELINE, STUDENT
from pages.ui.inspect.run_picker import InspectedRun
from pages.ui.inspect.settings import COUNTS, SHARES, InspectOptions, matrices_of, select_cell, url
from pages.ui.widgets import charts, keys, tables
from pages.ui.widgets.color_scales import colour_at, diverging, sequential, text_colour

NUMBERED = 12  # classes whose cells have room for a number
MAX_CLASSES = 100  # shown in a matrix; of more classes only those that occur
MAX_ROWS = 200  # of the table of confusions
PERCENT_TICKS, COUNT_TICKS = (0.02, 0.1, 0.3, 1.0), (1, 3, 10, 30, 100, 300, 1000)  # of the colour bar


def matrices(inspected: InspectedRun, options: InspectOptions) -> None:
    """Draw one heat map per network and one of student − baseline, two side by side. A click selects a cell."""
    analysis = inspected.analysis
    st.segmented_control(
        "Cells show", (COUNTS, SHARES), default=options.measure, key=keys.key("measure", options.measure),
        format_func={COUNTS: analysis.noun.capitalize(), SHARES: "Fraction of the true class"}.__getitem__,
        required=True,
        on_change=lambda: url.update(measure=keys.current_value("measure")),
    )  # fmt: skip
    classes = inspected.cached("classes that occur", lambda: _classes_shown(inspected))
    names = matrices_of(analysis)
    for first in range(0, len(names), 2):
        for column, of in zip(st.columns(2, gap="medium"), names[first : first + 2], strict=False):
            with column:
                _heading(inspected, of)
                if inspected.cached(f"is empty {of}", functools.partial(_is_empty, inspected, of)):
                    st.caption("No difference: both networks give every class the same predictions equally often.")
                    continue
                cell = options.cell(analysis.classes) if options.of == of else None
                charts.cached_chart(
                    f"matrix {of} {options.measure} {cell} {inspected.cache_key}",
                    functools.partial(_matrix, inspected, options, of, classes), _chart_name(inspected, of),
                    inspected.cached(f"words {of}", functools.partial(_text_alternative, inspected, of)),
                    height=max(300, min(480, 110 + 34 * len(classes))), on_select=_click_handler(inspected, of),
                    selection_mode="points",
                )  # fmt: skip
    if len(classes) < len(analysis.classes):
        st.caption(
            f"{len(classes)} of {len(analysis.classes)} classes: those that occur among the labels and the predictions."
        )
    _cell_boxes(inspected, options, names)
    tables.numbers(
        lambda: _confusions(inspected), "confusions", title="Confusions as a table, the most frequent first",
        table_rows=lambda: [cell for cell in _confusions(inspected) if cell["true class"] != cell["prediction"]][
            :MAX_ROWS
        ],
        alt="The {count} most frequent confusions by network.",
    )  # fmt: skip


def matrix_title(inspected: InspectedRun, of: str) -> str:
    """Return the heading of a matrix."""
    if of == DIFFERENCE:
        return f"◐ {inspected.title(STUDENT)} − {inspected.title(BASELINE).lower()}"
    return f"{inspected.look(of)['glyph']} {inspected.title(of)}, accuracy {percent(inspected.accuracy(of))}"


def _chart_name(inspected: InspectedRun, of: str) -> str:
    return f"matrix {of} {inspected.cache_key}"


def _heading(inspected: InspectedRun, of: str) -> None:
    glyph, name = matrix_title(inspected, of).split(" ", 1)
    charts.heading(glyph, name, "" if of == DIFFERENCE else inspected.look(of)[charts.theme()])


def _is_empty(inspected: InspectedRun, of: str) -> bool:
    return not any(count for row in inspected.analysis.counts(of) for count in row)


def _classes_shown(inspected: InspectedRun) -> list[int]:
    analysis = inspected.analysis
    if len(analysis.classes) <= MAX_CLASSES:
        return list(range(len(analysis.classes)))
    predicted = (analysis.predicted(part).tolist() for part in analysis.parts)
    return sorted({*analysis.labels.tolist()}.union(*predicted))


def _matrix(inspected: InspectedRun, options: InspectOptions, of: str, classes: list[int]) -> go.Figure:
    analysis, theme, size = inspected.analysis, charts.theme(), len(classes)
    is_fraction, is_difference = options.measure == SHARES, of == DIFFERENCE
    counts = analysis.counts(of)
    cells = analysis.fractions(of) if is_fraction else counts
    names = [charts.escape_html(analysis.classes[k]) for k in classes]
    values = [[cells[i][j] for j in classes] for i in classes]
    top = (
        max(abs(counts[i][j]) for i in classes for j in classes)
        if is_difference
        else max(count for part in analysis.parts for row in analysis.counts(part) for count in row)
    )
    to_colour = _logarithmic(1.0 if is_fraction else float(max(1, top)), is_fraction)
    sizes = [abs(value) for row in values for value in row if not math.isnan(value)]  # NaN: a class without examples
    limit = to_colour(max(sizes, default=0.0)) if is_difference else 1.0
    colours = [[None if math.isnan(value) else to_colour(value) for value in row] for row in values]
    has_numbers, scale = size <= NUMBERED, diverging() if is_difference else sequential()
    heat = go.Heatmap(
        z=colours, x=names, y=names, zmin=-limit if is_difference else 0, zmax=limit or 1,
        colorscale=[list(stop) for stop in scale],
        xgap=1, ygap=1, hoverinfo="skip",
        colorbar=_colour_bar(analysis.noun, limit, to_colour, is_fraction, is_difference),
    )  # fmt: skip
    filled = [(r, c) for r in range(size) for c in range(size) if colours[r][c]]
    lowest, span = (-limit, 2 * (limit or 1)) if is_difference else (0.0, limit or 1)
    numbers = go.Scatter(
        x=[names[c] for _, c in filled], y=[names[r] for r, _ in filled], mode="text", hoverinfo="skip",
        text=[_cell_text(values[r][c], is_fraction, is_difference) for r, c in filled],
        textfont={"size": 12 if size <= 6 else 10,
                  "color": [text_colour(colour_at(scale, ((colours[r][c] or 0.0) - lowest) / span))
                            for r, c in filled]},
    )  # fmt: skip
    figure = charts.small_figure(
        heat, *([numbers] if has_numbers else []), _click_targets(inspected, of, classes, names), showlegend=False
    )
    figure.update_layout(plot_bgcolor=charts.WASH[theme], hovermode="closest")
    # Without these ranges Plotly adds a margin around markers and drops classes without any count.
    axis = {"type": "category", "showgrid": False, "categoryorder": "array", "categoryarray": names}
    axis |= {"tickfont": {"size": 9}} if size > 30 else {"dtick": 1}
    figure.update_xaxes(title="prediction", range=[-0.5, size - 0.5], **axis)
    figure.update_yaxes(title="true class", range=[size - 0.5, -0.5], **axis)
    cell = options.cell(analysis.classes)
    if cell and options.of == of and set(cell) <= set(classes):
        charts.frame_cell(figure, classes.index(cell[0]), classes.index(cell[1]), 3 if has_numbers else 1.5)
    return figure


def _click_targets(inspected: InspectedRun, of: str, classes: list[int], names: list[str]) -> go.Scatter:
    """Return invisible markers over the cells, since Plotly reports no clicks on a heat map."""
    analysis = inspected.analysis
    counts, fractions = analysis.counts(of), analysis.fractions(of)
    size = range(len(classes))
    filled = [(r, c) for r in size for c in size if counts[classes[r]][classes[c]]]
    texts = [
        f"{names[r]} predicted as {names[c]}<br>"
        + _hover(analysis.noun, counts[classes[r]][classes[c]], fractions[classes[r]][classes[c]], of == DIFFERENCE)
        for r, c in filled
    ]
    invisible = {"marker": {"opacity": 0}}
    return go.Scatter(
        x=[names[c] for _, c in filled], y=[names[r] for r, _ in filled], mode="markers", text=texts,
        customdata=[[classes[r], classes[c]] for r, c in filled], hovertemplate="%{text}<extra></extra>",
        marker={"symbol": "square", "size": 22 if len(classes) <= 20 else 9, "opacity": 0},
        selected=invisible, unselected=invisible,
    )  # fmt: skip


def _hover(noun: str, count: int, fraction: float, is_difference: bool) -> str:
    if is_difference:
        return f"{signed(count, 0)} {noun}, {signed(100 * fraction)}{SPACE}% of the class"
    return f"{count} {noun}, {percent(fraction)} of the class"


def _logarithmic(top: float, is_fraction: bool) -> Callable[[float], float]:
    """Return a signed logarithmic scale, on which one error is visible beside many correct predictions."""
    scale = 99.0 if is_fraction else 1.0
    whole = math.log1p(scale * top)
    return lambda value: math.copysign(math.log1p(scale * abs(value)) / whole, value) if value else 0.0


def _colour_bar(
    noun: str, limit: float, to_colour: Callable[[float], float], is_fraction: bool, is_difference: bool
) -> dict[str, Any]:
    positive = [tick for tick in (PERCENT_TICKS if is_fraction else COUNT_TICKS) if to_colour(tick) <= limit + 1e-9]
    ticks = [-tick for tick in reversed(positive)] + [0, *positive] if is_difference else [0, *positive]
    title = "fraction of the class" if is_fraction else noun
    return {
        "thickness": 10, "title": {"text": title, "side": "right"}, "outlinewidth": 0,
        "tickvals": [to_colour(tick) for tick in ticks],
        "ticktext": [_cell_text(tick, is_fraction, is_difference) or "0" for tick in ticks],
    }  # fmt: skip


def _cell_text(value: float, is_fraction: bool, is_difference: bool) -> str:
    if not value or math.isnan(value):
        return ""
    sign = ("+" if value > 0 else "−") if is_difference else ""
    size = abs(value)
    return f"{sign}{percent(size, 0)}" if is_fraction else f"{sign}{size:.0f}"


def _click_handler(inspected: InspectedRun, of: str) -> Callable[[], None]:
    def callback() -> None:
        points, classes = (
            st.session_state[f"chart {_chart_name(inspected, of)}"].selection.points,
            inspected.analysis.classes,
        )
        cells = {(row, column) for row in range(len(classes)) for column in range(len(classes))}
        data = points[0].get("customdata") if points else None
        if isinstance(data, list) and (cell := tuple(data)) in cells:
            select_cell(of, classes[cell[0]], classes[cell[1]])

    return callback


def _cell_boxes(inspected: InspectedRun, options: InspectOptions, matrix_names: list[str]) -> None:
    """Draw select boxes of the cell, for use without a mouse."""
    classes = ["none", *inspected.analysis.classes]
    cell = {"cell of": options.of, "cell true": options.true_class, "cell answered": options.answered}

    def write_cell() -> None:
        of, true, answered = (keys.current_value(name) for name in cell)
        if "none" in (true, answered):
            url.update(of=of, true_class=true, answered=answered)
        else:
            select_cell(of, true, answered)

    st.caption("Click a cell, or choose it here. Its examples appear below.")
    titles = {of: matrix_title(inspected, of).split(", ")[0] for of in matrix_names}
    boxes = (("Matrix", matrix_names), ("True class", classes), ("Prediction", classes))
    for column, (label, choices), (name, value) in zip(st.columns(3), boxes, cell.items(), strict=True):
        column.selectbox(
            label, choices, choices.index(value), key=keys.key(name, value), on_change=write_cell,
            format_func=lambda choice: titles.get(choice, choice),
        )  # fmt: skip


def _confusions(inspected: InspectedRun) -> list[dict[str, Any]]:
    """Return a row per cell that is not empty for every network, the student's most frequent first."""
    analysis = inspected.analysis
    counts = {inspected.title(part): analysis.counts(part) for part in analysis.parts}
    rows = []
    for i, true in enumerate(analysis.classes):
        for j, prediction in enumerate(analysis.classes):
            cell = {title: matrix[i][j] for title, matrix in counts.items()}
            if any(cell.values()):
                rows.append({"true class": true, "prediction": prediction} | cell)
    student = inspected.title(STUDENT)
    return sorted(rows, key=lambda row: (-row[student], -sum(row[title] for title in counts)))


def _text_alternative(inspected: InspectedRun, of: str) -> str:
    classes, counts = inspected.analysis.classes, inspected.analysis.counts(of)
    size = range(len(classes))
    errors = [(counts[i][j], i, j) for i in size for j in size if i != j and counts[i][j]]
    title = f"Confusion matrix, {matrix_title(inspected, of)[2:]}"
    if not errors:
        return f"{title}. No two classes are confused."
    if of == DIFFERENCE:
        count, i, j = max(errors, key=lambda error: abs(error[0]))
        amount = f"{abs(count)} {'more' if count > 0 else 'fewer'}"
        return f"{title}. Largest difference: {amount} of {classes[i]} predicted as {classes[j]}."
    count, i, j = max(errors)
    return f"{title}. Most frequent error: {count} of {classes[i]} predicted as {classes[j]}."
