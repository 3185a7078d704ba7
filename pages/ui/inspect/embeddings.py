"""Embeddings of the networks side by side, each in the plane that keeps most of its variance."""

from __future__ import annotations

import functools
import statistics
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from kd_core.analysis.error_analysis import Projection
from pages.ui.browser import palette
from pages.ui.inspect.run_picker import InspectedRun, projections
from pages.ui.inspect.url_state import InspectOptions
from pages.ui.widgets import charts, tables

COLOURED = len(palette.CLASSES["light"])  # classes with a colour of their own
NAMED = 20  # classes whose names have room in the picture


def embeddings(subject: InspectedRun, focus: InspectOptions, ringed: list[int]) -> None:
    """One panel per network; ``ringed`` are the examples shown above."""
    known = projections(subject)
    found = {part: known[part] for part in subject.inspection.parts if part in known}
    if not found:
        st.caption("These networks have no embedding: they do not end in a linear layer, or are made of others.")
        return
    missing = [subject.title(part) for part in subject.inspection.parts if part not in found]
    for column, (part, own) in zip(st.columns(len(found), gap="medium"), found.items(), strict=True):
        with column:
            look = subject.look(part)
            charts.heading(look["glyph"], subject.title(part), look[charts.theme()])
            # The chosen cell colours two of very many classes.
            cell = focus.cell(subject.inspection.classes) if len(subject.inspection.classes) > NAMED else None
            charts.cached_chart(
                f"embedding {part} {ringed} {cell} {subject.cache_key}",
                functools.partial(_panel, subject, focus, part, own, ringed), f"embedding {part} {subject.cache_key}",
                _in_words(subject, part, own), height=384,
            )  # fmt: skip
            st.caption(
                f"{own.width} dimensions; the two drawn keep {sum(own.explained_variance_ratio):.0%} of the variance."
            )
    st.caption(_key(subject) + (f" Without an embedding of its own: {', '.join(missing)}." if missing else ""))
    tables.cached_numbers(
        subject.cache_key, lambda: _rows(subject, found), "embeddings",
        alt="All {count} examples with their places in every embedding.",
    )  # fmt: skip


def _panel(subject: InspectedRun, focus: InspectOptions, part: str, own: Projection, ringed: list[int]) -> go.Figure:
    seen, theme = subject.inspection, charts.theme()
    labels, answers = seen.labels.tolist(), seen.predicted(part).tolist()
    size = 7 if len(labels) <= 500 else 5
    traces: list[Any] = []
    for k, name in enumerate(seen.classes):
        rows = [at for at, label in enumerate(labels) if label == k]
        if not rows:
            continue
        x, y = ([own.places[at][axis] for at in rows] for axis in (0, 1))
        traces.append(
            go.Scatter(
                x=x, y=y, mode="markers", name=charts.escape_html(name),
                marker={"size": size, "symbol": charts.PLOTLY_MARKERS[k % 4], "color": _colour(subject, focus, k),
                        "opacity": 0.85, "line": {"width": 0.5, "color": charts.INK[theme]}},
                text=[_hover(subject, at, answers[at]) for at in rows], hovertemplate="%{text}<extra></extra>",
            )
        )  # fmt: skip
    if ringed:
        traces.append(
            go.Scatter(
                x=[own.places[at][0] for at in ringed], y=[own.places[at][1] for at in ringed], mode="markers",
                marker={"size": size + 7, "symbol": "circle-open", "color": charts.INK[theme], "line": {"width": 1.5}},
                hoverinfo="skip",
            )
        )  # fmt: skip
    drawn = charts.small_figure(*traces, showlegend=False, hovermode="closest")
    drawn.update_xaxes(
        showticklabels=False, showgrid=False, title=f"{own.explained_variance_ratio[0]:.0%} of the variance"
    )
    drawn.update_yaxes(
        showticklabels=False, showgrid=False, title=f"{own.explained_variance_ratio[1]:.0%} of the variance"
    )
    if COLOURED < len(seen.classes) <= NAMED:
        for k, name in enumerate(seen.classes):
            rows = [at for at, label in enumerate(labels) if label == k]
            if rows:
                place = [statistics.median(own.places[at][axis] for at in rows) for axis in (0, 1)]
                drawn.add_annotation(
                    x=place[0], y=place[1], text=f"<b>{charts.escape_html(name)}</b>", showarrow=False,
                    bgcolor=charts.PAPER[theme], opacity=0.85, borderpad=2, font={"color": charts.INK[theme]},
                )  # fmt: skip
    return drawn


def _colour(subject: InspectedRun, focus: InspectOptions, k: int) -> str:
    """The first classes have colours; of very many only the two of the chosen cell stand out."""
    seen, theme = subject.inspection, charts.theme()
    if len(seen.classes) > NAMED:
        cell = focus.cell(seen.classes) or ()
        return palette.CLASSES[theme][cell.index(k)] if k in cell else charts.FAINT[theme]
    return palette.CLASSES[theme][k] if k < COLOURED else charts.FAINT[theme]


def _key(subject: InspectedRun) -> str:
    classes = subject.inspection.classes
    if len(classes) > NAMED:
        return "The two classes of the chosen cell are coloured; point at an example to read its class."
    if len(classes) > COLOURED:
        return "Colours and markers are the true classes, whose names stand at their middle. Rings: the examples above."
    glyphs = palette.CLASS_GLYPHS
    names = " · ".join(f"{glyphs[k % len(glyphs)]} {name}" for k, name in enumerate(classes))
    return f"Colours and markers are the true classes: {names}. Rings: the examples above."


def _hover(subject: InspectedRun, at: int, answer: int) -> str:
    seen = subject.inspection
    label = charts.escape_html(seen.classes[int(seen.labels[at])])
    return f"{seen.split} example {seen.rows[at]}<br>true {label}, says {charts.escape_html(seen.classes[answer])}"


def _in_words(subject: InspectedRun, part: str, own: Projection) -> str:
    return (
        f"{subject.title(part)}: embeddings of {len(own.places)} examples in two dimensions, which keep "
        f"{sum(own.explained_variance_ratio):.0%} of the variance of {own.width}."
    )


def _rows(subject: InspectedRun, found: dict[str, Projection]) -> list[dict[str, Any]]:
    seen = subject.inspection
    rows: list[dict[str, Any]] = []
    for at, label in enumerate(seen.labels.tolist()):
        row: dict[str, Any] = {f"{seen.split} example": seen.rows[at], "true class": seen.classes[label]}
        for part, own in found.items():
            row |= {f"{subject.title(part)}, axis {axis + 1}": round(own.places[at][axis], 4) for axis in (0, 1)}
        rows.append(row)
    return rows
