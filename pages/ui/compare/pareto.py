"""Accuracy against cost: what every network reaches and costs, and which of them no other beats."""

from __future__ import annotations

import json
import math

import plotly.graph_objects as go
import streamlit as st

from kd_core.analysis import comparison, latency
from kd_core.analysis.comparison import NetworkResult
from kd_core.runs import manager
from kd_core.store.store import Run
from pages.ui.browser.palette import ROLES
from pages.ui.compare.url_state import CompareOptions, bind
from pages.ui.text import roles
from pages.ui.widgets.charts import BAR, GREY, LEGEND, PAPER, axis, chart, label_shifts, theme, top_legend
from pages.ui.widgets.tables import numbers

COSTS = {
    "size": "File size, kB", "flops": "kFLOPs for one example", "parameters": "Parameters",
    "latency": "Latency here, ms (median, one example)",
}  # fmt: skip
HEIGHT, TOP, FOOT = 410, BAR + LEGEND, 50  # pixels: the chart, its margins
Point = tuple[Run, NetworkResult, float]


def pareto_chart(found: list[tuple[Run, NetworkResult]], called: dict[str, str], view: CompareOptions) -> None:
    """Test accuracy against what a network costs, and the networks that no other beats."""
    st.segmented_control(
        "Cost", list(COSTS), default=view.cost, required=True, format_func=lambda cost: COSTS[cost].split(",")[0],
        **bind("cost", view.cost),
    )  # fmt: skip
    times = latency.get_latency_meter(manager.get_manager().folder).measurements() if view.cost == "latency" else {}
    points = [(row, own, cost) for row, own in found if (cost := _cost(own, view.cost, times)) is not None and cost > 0]
    if not points:
        st.info("Measure the latency of these networks first: the button is below the table above.")
        return
    best = [at for group in _by_data(points) for at in _front(points, group)]
    figure = go.Figure()
    for group in _by_data(points):
        steps = [points[at] for at in _front(points, group)]
        figure.add_scatter(
            x=[cost for *_, cost in steps], y=[100 * own.accuracy for _, own, _ in steps], mode="lines",
            line={"color": GREY[theme()], "width": 1.25, "shape": "hv"}, hoverinfo="skip", showlegend=False,
        )  # fmt: skip
    for kind in ("teacher", "student", "baseline"):
        own, look = _marks([point for point in points if roles.kind(point[1].network) == kind], called), ROLES[kind]
        if own:
            figure.add_scatter(
                x=[cost for cost, _ in own], y=[value for _, value in own], text=list(own.values()),
                mode="markers", cliponaxis=False, name=look["name"],
                marker={"symbol": look["symbol"], "size": 11, "color": look[theme()],
                        "line": {"width": 2 if look["symbol"].endswith("open") else 0}},
                hovertemplate=f"%{{text}} {look['name'].lower()}: %{{y:.2f}} % for %{{x:.4g}}<extra></extra>",
            )  # fmt: skip
    values = [100 * own.accuracy for _, own, _ in points]
    room = 0.08 * (max(values) - min(values)) or 1.0
    low, high = min(values) - room, max(values) + room
    _letters(figure, _marks(points, called), low, high)
    figure.update_layout(
        margin={"t": TOP, "b": FOOT, "l": 50, "r": 60}, legend=top_legend(),
        xaxis=axis(COSTS[view.cost], [cost for *_, cost in points], is_log=True),
        yaxis={"title": "Test accuracy, %", "automargin": True, "range": [low, high]},
    )  # fmt: skip
    names = _unbeaten([points[at] for at in best], called)
    chart(
        figure, "trade", f"Test accuracy by {COSTS[view.cost].lower()}. Nothing beats {'; '.join(names)}.",
        height=HEIGHT,
    )  # fmt: skip
    st.caption(
        f"On the line: {'; '.join(names)}. No other network here on the same data is both as accurate and cheaper, or "
        "as cheap and more accurate."
    )
    numbers(
        [
            {"run": called[row.id], "network": own.network.role, "layers": own.network.model,
             COSTS[view.cost]: cost, "test accuracy, %": 100 * own.accuracy, "unbeaten": at in best}
            for at, (row, own, cost) in enumerate(points)
        ],
        f"accuracy by {view.cost}", alt="Accuracy and cost of every network.",
    )  # fmt: skip


def _by_data(points: list[Point]) -> list[list[int]]:
    """Positions of the points of each data set: what is accurate on one says nothing of another."""
    found: dict[str, list[int]] = {}
    for at, (row, *_) in enumerate(points):
        found.setdefault(json.dumps(row.available_config.dataset.to_dict()) if row.available_config else "", []).append(
            at
        )
    return list(found.values())


def _front(points: list[Point], group: list[int]) -> list[int]:
    best = comparison.pareto_front([(points[at][2], points[at][1].accuracy) for at in group])
    return [group[at] for at in best]


def _letters(figure: go.Figure, marks: dict[tuple[float, float], str], low: float, high: float) -> None:
    """Beside each place the runs that are there; of places above each other, none over another."""
    for cost in {cost for cost, _ in marks}:
        heights = [value for other, value in marks if other == cost]
        moved = label_shifts([(value - low) / (high - low) for value in heights], HEIGHT - TOP - FOOT)
        for value, shift in zip(heights, moved, strict=True):
            figure.add_annotation(
                x=math.log10(cost), y=value, yshift=shift, text=marks[cost, value], showarrow=False, xanchor="left",
                xshift=8, bgcolor=PAPER[theme()], borderpad=1,
            )  # fmt: skip


def _marks(points: list[Point], called: dict[str, str]) -> dict[tuple[float, float], str]:
    """The letters at each place (cost, per cent): several runs of the same seed may share one."""
    found: dict[tuple[float, float], list[str]] = {}
    for row, own, cost in points:
        found.setdefault((cost, 100 * own.accuracy), []).append(called[row.id])
    return {place: ", ".join(dict.fromkeys(letters)) for place, letters in found.items()}


def _unbeaten(points: list[Point], called: dict[str, str]) -> list[str]:
    """Networks in few words: "A, B teacher" where two runs have the same one."""
    found: dict[tuple[str, float, float], list[str]] = {}
    for row, own, cost in points:
        found.setdefault((own.network.role, cost, own.accuracy), []).append(called[row.id])
    return [f"{', '.join(letters)} {role}" for (role, *_), letters in found.items()]


def _cost(own: NetworkResult, what: str, times: dict[str, list[latency.Latency]]) -> float | None:
    network = own.network
    if what == "latency":
        return next(
            (1000 * time.median for time in times.get(latency.latency_key(network), []) if time.batch == 1), None
        )
    return {"size": network.size / 1000, "flops": network.flops / 1000, "parameters": float(network.parameters)}[what]
