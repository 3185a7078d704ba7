"""Recall per class of every network."""

from __future__ import annotations

import math

import plotly.graph_objects as go
import streamlit as st

from kd_core.base.marks import percent
from kd_core.config.plan import BASELINE, STUDENT
from pages.ui.inspect.run_picker import InspectedRun
from pages.ui.widgets import charts, tables

MAX_CLASSES = 25  # in the chart; of more classes those that differ most


def dots(inspected: InspectedRun) -> None:
    """Draw one dot per network and class; of many classes those where student and baseline differ most."""
    analysis = inspected.analysis
    recalls, counts = inspected.cached(
        "recalls", lambda: ({part: analysis.recalls(part) for part in analysis.parts}, analysis.class_counts())
    )
    classes = [k for k, count in enumerate(counts) if count]
    reference = BASELINE if BASELINE in recalls else analysis.parts[0]
    if len(classes) > MAX_CLASSES:
        by_difference = sorted(classes, key=lambda k: -abs(recalls[STUDENT][k] - recalls[reference][k]))
        classes = sorted(by_difference[:MAX_CLASSES])
        st.caption(f"The {MAX_CLASSES} classes with the largest difference between student and {reference}; all are "
                   "in the table.")  # fmt: skip
    worst = min(classes, key=lambda k: recalls[STUDENT][k])
    alt = (
        f"Recall of {len(classes)} classes by network. The student’s lowest recall: {analysis.classes[worst]}, "
        f"{percent(recalls[STUDENT][worst])}."
    )
    charts.cached_chart(
        f"recall {inspected.cache_key}", lambda: _figure(inspected, recalls, counts, classes),
        f"recall {inspected.cache_key}", alt, height=120 + 26 * len(classes),
    )  # fmt: skip
    tables.numbers(
        lambda: [
            {"class": name, analysis.noun: counts[k]}
            | {f"{inspected.title(part)}, recall": round(recall[k], 4) for part, recall in recalls.items()}
            for k, name in enumerate(analysis.classes)
        ],
        "recall",
        alt="Recall of all {count} classes by network.",
    )


def _figure(
    inspected: InspectedRun, recalls: dict[str, list[float]], counts: list[int], classes: list[int]
) -> go.Figure:
    theme = charts.theme()
    names = [charts.escape_html(inspected.analysis.classes[k]) for k in classes]
    ranges = [(100 * min(row), 100 * max(row)) for row in ([recall[k] for recall in recalls.values()] for k in classes)]
    lines = go.Scatter(
        x=[x for low, high in ranges for x in (low, high, None)], y=[y for name in names for y in (name, name, None)],
        mode="lines", line={"color": charts.FAINT[theme], "width": 1}, hoverinfo="skip", showlegend=False,
    )  # fmt: skip
    markers = [
        go.Scatter(
            x=[100 * recall[k] for k in classes], y=names, mode="markers", name=inspected.title(part),
            marker={"symbol": inspected.look(part)["symbol"], "size": 11, "color": inspected.look(part)[theme],
                    "line": {"width": 2 if part == BASELINE else 0, "color": inspected.look(part)[theme]}},
            customdata=[counts[k] for k in classes],
            hovertemplate="%{y}: %{x:.1f}\u00a0% of %{customdata} correct"
            f"<extra>{charts.escape_html(inspected.title(part))}</extra>",
        ) for part, recall in recalls.items()
    ]  # fmt: skip
    lowest = min((recall[k] for recall in recalls.values() for k in classes), default=0.0)
    figure = charts.small_figure(lines, *markers, legend=charts.top_legend())
    figure.update_layout(margin={"t": charts.BAR + charts.LEGEND})
    figure.update_xaxes(
        range=[max(-2.0, 10 * math.floor(10 * lowest - 0.5)), 102.0], ticksuffix="\u00a0%",
        title="recall: fraction of the class that is classified correctly",
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", type="category", showgrid=False, dtick=1)
    return figure
