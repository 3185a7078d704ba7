"""Who is taken for whom: the confusion matrices of the networks, and their difference."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from kd_core.analysis.error_analysis import DIFFERENCE
from kd_core.config.plan import BASELINE, STUDENT
from pages.ui.inspect.run_picker import InspectedRun
from pages.ui.inspect.url_state import COUNTS, SHARES, InspectOptions, select_cell, update_url
from pages.ui.widgets import charts, keys, tables
from pages.ui.widgets.color_scales import DIVERGING, SCALES, colour_at, text_colour

NUMBERED = 12  # classes whose cells have room for a number
SQUARE = 100  # classes that a matrix shows; of more only those that occur
LISTED = 200  # rows of the table of mistakes


def matrices(subject: InspectedRun, focus: InspectOptions) -> None:
    """One heat map for each network and one for student − baseline, two abreast; a click chooses a cell."""
    seen = subject.inspection
    st.segmented_control(
        "Cells show", (COUNTS, SHARES), default=focus.measure, key=keys.key("measure", focus.measure), required=True,
        format_func={COUNTS: "Examples", SHARES: "Share of the true class"}.__getitem__,
        on_change=lambda: update_url(measure=keys.current_value("measure")),
    )  # fmt: skip
    shown = subject.cached("classes that occur", lambda: _shown(subject))
    offered = [*seen.parts, *([DIFFERENCE] if BASELINE in seen.parts else [])]
    for first in range(0, len(offered), 2):
        for column, of in zip(st.columns(2, gap="medium"), offered[first : first + 2], strict=False):
            with column:
                _heading(subject, of)
                if subject.cached(f"is empty {of}", functools.partial(_is_empty, subject, of)):
                    st.caption("No difference: both give every class the same answers equally often.")
                    continue
                cell = focus.cell(seen.classes) if focus.of == of else None
                charts.cached_chart(
                    f"matrix {of} {focus.measure} {cell} {subject.cache_key}",
                    functools.partial(_matrix, subject, focus, of, shown), _named(subject, of),
                    subject.cached(f"words {of}", functools.partial(_in_words, subject, of)),
                    height=max(300, min(480, 110 + 34 * len(shown))), on_select=_clicked(subject, of),
                    selection_mode="points",
                )  # fmt: skip
    if len(shown) < len(seen.classes):
        st.caption(f"{len(shown)} of {len(seen.classes)} classes: those that occur among the labels and the answers.")
    _cell_boxes(subject, focus, offered)
    tables.cached_numbers(
        subject.cache_key, lambda: _cells(subject), "confusions",
        title="Confusions as a table, the most frequent first",
        is_shown=lambda cell: bool(cell["true class"] != cell["answer"]), most=LISTED,
        alt="The {count} most frequent confusions by network.",
    )  # fmt: skip


def matrix_title(subject: InspectedRun, of: str) -> str:
    """A matrix as a heading."""
    if of == DIFFERENCE:
        return f"◐ {subject.title(STUDENT)} − {subject.title(BASELINE).lower()}"
    return f"{subject.look(of)['glyph']} {subject.title(of)}, {subject.accuracy(of):.1%} right"


def _named(subject: InspectedRun, of: str) -> str:
    return f"matrix {of} {subject.cache_key}"


def _heading(subject: InspectedRun, of: str) -> None:
    glyph, name = matrix_title(subject, of).split(" ", 1)
    charts.heading(glyph, name, "" if of == DIFFERENCE else subject.look(of)[charts.theme()])


def _is_empty(subject: InspectedRun, of: str) -> bool:
    return not any(n for row in subject.inspection.counts(of) for n in row)


def _shown(subject: InspectedRun) -> list[int]:
    """The classes of the matrices: all of them, or those that occur."""
    seen = subject.inspection
    if len(seen.classes) <= SQUARE:
        return list(range(len(seen.classes)))
    found = {*seen.labels.tolist()}.union(*(seen.predicted(part).tolist() for part in seen.parts))
    return sorted(found)


def _matrix(subject: InspectedRun, focus: InspectOptions, of: str, shown: list[int]) -> go.Figure:
    seen, theme = subject.inspection, charts.theme()
    is_share, is_difference = focus.measure == SHARES, of == DIFFERENCE
    counts, shares = seen.counts(of), seen.fractions(of)
    names = [charts.escape_html(seen.classes[k]) for k in shown]
    values = [[(shares if is_share else counts)[i][j] for j in shown] for i in shown]
    parts = [STUDENT, BASELINE] if is_difference else seen.parts
    top = max([abs(counts[i][j]) for i in shown for j in shown] if is_difference else
              [n for part in parts for row in seen.counts(part) for n in row])  # fmt: skip
    bend = _bent(1.0 if is_share else float(max(1, top)), is_share)
    sizes = [abs(v) for row in values for v in row if not math.isnan(v)]  # a class without examples has no shares
    limit = bend(max(sizes, default=0.0)) if is_difference else 1.0
    filled = [[bend(v) if v and not math.isnan(v) else None for v in row] for row in values]
    has_numbers, scale = len(shown) <= NUMBERED, (DIVERGING if is_difference else SCALES)[theme]
    heat = go.Heatmap(
        z=filled, x=names, y=names, zmin=-limit if is_difference else 0, zmax=limit or 1,
        colorscale=[list(stop) for stop in scale],
        xgap=1, ygap=1, hoverinfo="skip", showscale=not has_numbers,
        colorbar=_bar(limit, bend, is_share, is_difference),
    )  # fmt: skip
    spots = [(r, c) for r in range(len(shown)) for c in range(len(shown)) if filled[r][c] is not None]
    places = [((filled[r][c] or 0.0) + (limit if is_difference else 0.0)) / ((2 if is_difference else 1) * (limit or 1))
              for r, c in spots]  # fmt: skip
    written = go.Scatter(
        x=[names[c] for _, c in spots], y=[names[r] for r, _ in spots], mode="text", hoverinfo="skip",
        text=[_written(values[r][c], is_share, is_difference) for r, c in spots],
        textfont={"size": 12 if len(shown) <= 6 else 10,
                  "color": [text_colour(colour_at(scale, place)) for place in places]},
    )  # fmt: skip
    drawn = charts.small_figure(
        heat, *([written] if has_numbers else []), _handles(subject, of, shown, names), showlegend=False
    )
    drawn.update_layout(plot_bgcolor=charts.WASH[theme], hovermode="closest")
    # Left to itself Plotly leaves room around markers, and leaves out classes that nothing was counted of.
    axis = {"type": "category", "showgrid": False, "categoryorder": "array", "categoryarray": names}
    axis |= {"tickfont": {"size": 9}} if len(shown) > 30 else {"dtick": 1}
    drawn.update_xaxes(title="answer", range=[-0.5, len(shown) - 0.5], **axis)
    drawn.update_yaxes(title="true class", range=[len(shown) - 0.5, -0.5], **axis)
    cell = focus.cell(seen.classes)
    if cell and focus.of == of and set(cell) <= set(shown):
        charts.frame_cell(drawn, shown.index(cell[0]), shown.index(cell[1]), 3 if has_numbers else 1.5)
    return drawn


def _handles(subject: InspectedRun, of: str, shown: list[int], names: list[str]) -> go.Scatter:
    """Invisible markers over the cells: a heat map tells nobody that it was clicked."""
    seen = subject.inspection
    counts, shares = seen.counts(of), seen.fractions(of)
    spots = [(r, c) for r in range(len(shown)) for c in range(len(shown)) if counts[shown[r]][shown[c]]]
    told = (
        "{n:+d} examples, {share:+.1%} of the class" if of == DIFFERENCE else "{n} examples, {share:.1%} of the class"
    )
    texts = [
        f"{names[r]} answered as {names[c]}<br>"
        + told.format(n=counts[shown[r]][shown[c]], share=shares[shown[r]][shown[c]])
        for r, c in spots
    ]
    invisible = {"marker": {"opacity": 0}}
    return go.Scatter(
        x=[names[c] for _, c in spots], y=[names[r] for r, _ in spots], mode="markers", text=texts,
        customdata=[[shown[r], shown[c]] for r, c in spots], hovertemplate="%{text}<extra></extra>",
        marker={"symbol": "square", "size": 22 if len(shown) <= 20 else 9, "opacity": 0},
        selected=invisible, unselected=invisible,
    )  # fmt: skip


def _bent(top: float, is_share: bool) -> Callable[[float], float]:
    """Logarithmic colour, so that one mistake is seen beside many right answers; the sign stays."""
    scale = 99.0 if is_share else 1.0
    whole = math.log1p(scale * top)
    return lambda value: math.copysign(math.log1p(scale * abs(value)) / whole, value) if value else 0.0


def _bar(limit: float, bend: Callable[[float], float], is_share: bool, is_difference: bool) -> dict[str, Any]:
    steps = (0.02, 0.1, 0.3, 1.0) if is_share else (1, 3, 10, 30, 100, 300, 1000)
    fitting = [step for step in steps if bend(step) <= limit + 1e-9]
    ticks = [-step for step in reversed(fitting)] + [0, *fitting] if is_difference else fitting
    return {
        "thickness": 10, "tickvals": [bend(tick) for tick in ticks], "outlinewidth": 0,
        "ticktext": [_written(tick, is_share, is_difference) or "0" for tick in ticks],
    }  # fmt: skip


def _written(value: float, is_share: bool, is_difference: bool) -> str:
    if not value or math.isnan(value):
        return ""
    sign = ("+" if value > 0 else "−") if is_difference else ""
    size = abs(value)
    return f"{sign}{100 * size:.0f}%" if is_share else f"{sign}{size:.0f}"


def _clicked(subject: InspectedRun, of: str) -> Callable[[], None]:
    def callback() -> None:
        points = st.session_state[f"chart {_named(subject, of)}"].selection.points
        if points:
            row, column = points[0]["customdata"]
            select_cell(of, subject.inspection.classes[row], subject.inspection.classes[column])

    return callback


def _cell_boxes(subject: InspectedRun, focus: InspectOptions, offered: list[str]) -> None:
    """The same choice without a mouse."""
    classes = ["none", *subject.inspection.classes]
    wanted = {"cell of": focus.of, "cell true": focus.true_class, "cell answered": focus.answered}

    def choose() -> None:
        of, true, answered = (keys.current_value(name) for name in wanted)
        if "none" in (true, answered):
            update_url(of=of, true_class=true, answered=answered)
        else:
            select_cell(of, true, answered)

    st.caption("Click a cell, or choose it here: its examples appear below.")
    columns = st.columns(3)
    names = {of: matrix_title(subject, of).split(", ")[0] for of in offered}
    boxes = (("Matrix", offered), ("True class", classes), ("Answer", classes))
    for column, (label, choices), (name, value) in zip(columns, boxes, wanted.items(), strict=True):
        column.selectbox(
            label, choices, choices.index(value), key=keys.key(name, value), on_change=choose,
            format_func=lambda choice: names.get(choice, choice),
        )  # fmt: skip


def _cells(subject: InspectedRun) -> list[dict[str, Any]]:
    """All cells that anybody's answers fill."""
    seen = subject.inspection
    counts = {part: seen.counts(part) for part in seen.parts}
    rows = []
    size = range(len(seen.classes))
    for i, j in ((i, j) for i in size for j in size):
        own = {subject.title(part): matrix[i][j] for part, matrix in counts.items()}
        if any(own.values()):
            rows.append({"true class": seen.classes[i], "answer": seen.classes[j]} | own)
    student = subject.title(STUDENT)
    return sorted(rows, key=lambda row: (-row[student], -sum(n for n in row.values() if isinstance(n, int))))


def _in_words(subject: InspectedRun, of: str) -> str:
    seen, counts = subject.inspection, subject.inspection.counts(of)
    size = range(len(seen.classes))
    off = [(counts[i][j], i, j) for i in size for j in size if i != j and counts[i][j]]
    what = f"Confusion matrix, {matrix_title(subject, of)[2:]}"
    if not off:
        return f"{what}. No two classes are confused."
    if of == DIFFERENCE:
        n, i, j = max(off, key=lambda cell: abs(cell[0]))
        side = "more" if n > 0 else "fewer"
        return f"{what}. Largest difference: {abs(n)} {side} of {seen.classes[i]} answered as {seen.classes[j]}."
    n, i, j = max(off)
    return f"{what}. Most frequent mistake: {n} of {seen.classes[i]} answered as {seen.classes[j]}."
