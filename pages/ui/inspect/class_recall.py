"""How many examples of each class the networks find."""

from __future__ import annotations

import math

import plotly.graph_objects as go
import streamlit as st

from kd_core.config.plan import BASELINE, STUDENT
from pages.ui.inspect.run_picker import InspectedRun
from pages.ui.widgets import charts, tables

CLEAR = 25  # classes whose recall can be read at once; of more those that differ most


def dots(subject: InspectedRun) -> None:
    """One dot per network and class; of many classes those where student and baseline differ most."""
    seen = subject.inspection
    recalls, counts = subject.cached("recalls", lambda: ({p: seen.recalls(p) for p in seen.parts}, seen.class_counts()))
    classes = [k for k, count in enumerate(counts) if count]
    other = recalls.get(BASELINE, recalls[seen.parts[0]])
    if len(classes) > CLEAR:
        classes = sorted(sorted(classes, key=lambda k: -abs(recalls[STUDENT][k] - other[k]))[:CLEAR])
        st.caption(f"The {CLEAR} classes that student and {_against(subject)} differ on most; the table has them all.")
    worst = min(classes, key=lambda k: recalls[STUDENT][k])
    alt = (
        f"Recall of {len(classes)} classes by network. The student finds least of {seen.classes[worst]}: "
        f"{recalls[STUDENT][worst]:.1%}."
    )
    charts.cached_chart(
        f"recall {subject.cache_key}",
        lambda: _drawn(subject, recalls, counts, classes),
        f"recall {subject.cache_key}",
        alt,
        height=120 + 26 * len(classes),
    )
    tables.cached_numbers(
        subject.cache_key,
        lambda: [
            {"class": name, "examples": counts[k]}
            | {f"{subject.title(part)}, recall": round(own[k], 4) for part, own in recalls.items()}
            for k, name in enumerate(seen.classes)
        ],
        "recall",
        alt="Recall of all {count} classes by network.",
    )


def _drawn(subject: InspectedRun, recalls: dict[str, list[float]], counts: list[int], classes: list[int]) -> go.Figure:
    seen, theme = subject.inspection, charts.theme()
    names = [charts.escape_html(seen.classes[k]) for k in classes]
    ties = [(min(row), max(row)) for row in ([own[k] for own in recalls.values()] for k in classes)]
    line = go.Scatter(
        x=[x for low, high in ties for x in (low, high, None)], y=[y for name in names for y in (name, name, None)],
        mode="lines", line={"color": charts.FAINT[theme], "width": 1}, hoverinfo="skip", showlegend=False,
    )  # fmt: skip
    dots = [
        go.Scatter(
            x=[own[k] for k in classes], y=names, mode="markers", name=subject.title(part),
            marker={"symbol": subject.look(part)["symbol"], "size": 11, "color": subject.look(part)[theme],
                    "line": {"width": 2 if part == BASELINE else 0, "color": subject.look(part)[theme]}},
            customdata=[counts[k] for k in classes],
            hovertemplate="%{y}: %{x:.1%} of %{customdata} right<extra>" + charts.escape_html(subject.title(part))
            + "</extra>",
        ) for part, own in recalls.items()
    ]  # fmt: skip
    lowest = min((own[k] for own in recalls.values() for k in classes), default=0.0)
    drawn = charts.small_figure(line, *dots, legend=charts.top_legend())
    drawn.update_layout(margin={"t": charts.BAR + charts.LEGEND})
    drawn.update_xaxes(
        range=[max(-0.02, math.floor(10 * lowest - 0.5) / 10), 1.02],
        tickformat=".0%",
        title="share of the class that is found",
    )
    drawn.update_yaxes(autorange="reversed", type="category", showgrid=False, dtick=1)
    return drawn


def _against(subject: InspectedRun) -> str:
    return "baseline" if BASELINE in subject.inspection.parts else subject.inspection.parts[0]
