"""Embeddings of the networks side by side, each projected on its first two principal components."""

from __future__ import annotations

import functools
import statistics
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from kd_core.analysis.error_analysis import Projection
from kd_core.base.marks import percent
from pages.ui.components import palette
from pages.ui.inspect.run_picker import InspectedRun, projections
from pages.ui.inspect.settings import InspectOptions
from pages.ui.widgets import charts, tables

COLOURED = len(palette.CLASSES["light"])  # classes with a colour of their own
NAMED = 20  # classes whose names have room in the chart


def embeddings(inspected: InspectedRun, options: InspectOptions, ringed: list[int]) -> None:
    """Draw one panel per network; ``ringed`` are the positions of the examples to mark."""
    analysis = inspected.analysis
    projected = projections(inspected)
    available = {part: projected[part] for part in analysis.parts if part in projected}
    if not available:
        st.caption("These networks have no embedding: they do not end in a linear layer, or combine other networks.")
        return
    missing = [inspected.title(part) for part in analysis.parts if part not in available]
    # With many classes only those of the chosen cell are coloured.
    cell = options.cell(analysis.classes) if len(analysis.classes) > NAMED else None
    for column, (part, projection) in zip(st.columns(len(available), gap="medium"), available.items(), strict=True):
        with column:
            look = inspected.look(part)
            charts.heading(look["glyph"], inspected.title(part), look[charts.theme()])
            charts.cached_chart(
                f"embedding {part} {ringed} {cell} {inspected.cache_key}",
                functools.partial(_figure, inspected, options, part, projection, ringed),
                f"embedding {part} {inspected.cache_key}",
                _text_alternative(inspected, part, projection), height=384,
            )  # fmt: skip
            explained = sum(projection.explained_variance_ratio)
            st.caption(f"{projection.width} dimensions; these two keep {percent(explained, 0)} of the variance.")
    st.caption(_legend(inspected) + (f" Without an embedding: {', '.join(missing)}." if missing else ""))
    tables.numbers(
        lambda: _rows(inspected, available), "embeddings",
        alt="All {count} examples with their coordinates in every embedding.",
    )  # fmt: skip


def _figure(
    inspected: InspectedRun, options: InspectOptions, part: str, projection: Projection, ringed: list[int]
) -> go.Figure:
    analysis, theme, places = inspected.analysis, charts.theme(), projection.places
    labels, answers = analysis.labels.tolist(), analysis.predicted(part).tolist()
    members = [[position for position, label in enumerate(labels) if label == k] for k in range(len(analysis.classes))]
    size = 7 if len(labels) <= 500 else 5
    traces: list[Any] = [
        go.Scatter(
            x=[places[position][0] for position in members[k]], y=[places[position][1] for position in members[k]],
            mode="markers", name=charts.escape_html(name),
            marker={"size": size, "symbol": charts.PLOTLY_MARKERS[k % 4], "color": _colour(inspected, options, k),
                    "opacity": 0.85, "line": {"width": 0.5, "color": charts.INK[theme]}},
            text=[_hover(inspected, position, answers[position]) for position in members[k]],
            hovertemplate="%{text}<extra></extra>",
        )
        for k, name in enumerate(analysis.classes) if members[k]
    ]  # fmt: skip
    if ringed:
        traces.append(
            go.Scatter(
                x=[places[position][0] for position in ringed], y=[places[position][1] for position in ringed],
                mode="markers", hoverinfo="skip",
                marker={"size": size + 7, "symbol": "circle-open", "color": charts.INK[theme], "line": {"width": 1.5}},
            )
        )  # fmt: skip
    figure = charts.small_figure(*traces, showlegend=False, hovermode="closest")
    x_title, y_title = (f"{percent(ratio, 0)} of the variance" for ratio in projection.explained_variance_ratio[:2])
    figure.update_xaxes(showticklabels=False, showgrid=False, title=x_title)
    figure.update_yaxes(showticklabels=False, showgrid=False, title=y_title)
    if COLOURED < len(analysis.classes) <= NAMED:
        for k, name in enumerate(analysis.classes):
            if members[k]:
                x, y = (statistics.median(places[position][axis] for position in members[k]) for axis in (0, 1))
                figure.add_annotation(
                    x=x, y=y, text=f"<b>{charts.escape_html(name)}</b>", showarrow=False,
                    bgcolor=charts.PAPER[theme], opacity=0.85, borderpad=2, font={"color": charts.INK[theme]},
                )  # fmt: skip
    return figure


def _colour(inspected: InspectedRun, options: InspectOptions, k: int) -> str:
    classes, theme = inspected.analysis.classes, charts.theme()
    if len(classes) > NAMED:
        cell = options.cell(classes) or ()
        return palette.CLASSES[theme][cell.index(k)] if k in cell else charts.FAINT[theme]
    return palette.CLASSES[theme][k] if k < COLOURED else charts.FAINT[theme]


def _legend(inspected: InspectedRun) -> str:
    classes = inspected.analysis.classes
    if len(classes) > NAMED:
        return "The two classes of the chosen cell are coloured. Point at an example to read its class."
    if len(classes) > COLOURED:
        return "Colours and markers are the true classes, named at their medians. Rings: the examples above."
    glyphs = palette.CLASS_GLYPHS
    names = " · ".join(f"{glyphs[k % len(glyphs)]} {name}" for k, name in enumerate(classes))
    return f"Colours and markers are the true classes: {names}. Rings: the examples above."


def _hover(inspected: InspectedRun, position: int, answer: int) -> str:
    analysis = inspected.analysis
    label, prediction = (charts.escape_html(analysis.classes[k]) for k in (int(analysis.labels[position]), answer))
    return f"{analysis.title(position)}<br>true class {label}, prediction {prediction}"


def _text_alternative(inspected: InspectedRun, part: str, projection: Projection) -> str:
    return (
        f"{inspected.title(part)}: embeddings of {len(projection.places)} examples in two dimensions, which keep "
        f"{percent(sum(projection.explained_variance_ratio), 0)} of the variance of {projection.width}."
    )


def _rows(inspected: InspectedRun, available: dict[str, Projection]) -> list[dict[str, Any]]:
    analysis = inspected.analysis
    rows: list[dict[str, Any]] = []
    for position, label in enumerate(analysis.labels.tolist()):
        row: dict[str, Any] = {
            "example": analysis.title(position),
            "true class": analysis.classes[label],
        }
        for part, projection in available.items():
            title, place = inspected.title(part), projection.places[position]
            row |= {f"{title}, axis {axis + 1}": round(place[axis], 4) for axis in (0, 1)}
        rows.append(row)
    return rows
