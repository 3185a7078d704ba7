"""Test accuracy against cost of every network, with the Pareto front."""

from __future__ import annotations

import json

import plotly.graph_objects as go
import streamlit as st

from kd_core.analysis import comparison, latency
from kd_core.analysis.comparison import NetworkResult
from kd_core.base.marks import SPACE
from kd_core.runs import manager
from kd_core.store.store import Run
from pages.ui.compare.results_table import score_of
from pages.ui.compare.settings import CompareOptions, bind
from pages.ui.components.palette import ROLES
from pages.ui.widgets.charts import BAR, GREY, LEGEND, annotate_points, axis, chart, theme, top_legend
from pages.ui.widgets.tables import numbers
from pages.ui.widgets.text import roles

COSTS = {
    "size": "File size, kB", "flops": "kFLOPs for one example", "parameters": "Parameters",
    "latency": "Latency here, ms (median, one example)",
}  # fmt: skip
HEIGHT, TOP, BOTTOM = 410, BAR + LEGEND, 50  # pixels: the chart, its margins
Point = tuple[Run, NetworkResult, float]  # with the cost


def pareto_chart(results: list[tuple[Run, NetworkResult]], letters: dict[str, str], options: CompareOptions) -> None:
    """Draw test accuracy against cost, and the Pareto front of each data set."""
    st.segmented_control(
        "Cost", list(COSTS), default=options.cost, required=True, format_func=lambda cost: COSTS[cost].split(",")[0],
        **bind("cost", options.cost),
    )  # fmt: skip
    times = latency.get_latency_meter(manager.get_manager().folder).measurements() if options.cost == "latency" else {}
    points = [
        (row, result, cost)
        for row, result in results
        if (cost := _cost(result, options.cost, times)) is not None and cost > 0
    ]
    if not points:
        st.info("Measure the latency of these networks first: the button is below the table above.")
        return
    score = f"test {score_of(row for row, _ in results)}"
    fronts = _pareto_fronts(points)
    figure = go.Figure()
    for front in fronts:
        figure.add_scatter(
            x=[points[index][2] for index in front], y=[100 * points[index][1].accuracy for index in front],
            mode="lines", line={"color": GREY[theme()], "width": 1.25, "shape": "hv"}, hoverinfo="skip",
            showlegend=False,
        )  # fmt: skip
    for kind in ("teacher", "student", "baseline"):
        look = ROLES[kind]
        labels = _point_labels([point for point in points if roles.kind(point[1].network) == kind], letters)
        if labels:
            figure.add_scatter(
                x=[cost for cost, _ in labels], y=[accuracy for _, accuracy in labels], text=list(labels.values()),
                mode="markers", cliponaxis=False, name=look["name"],
                marker={"symbol": look["symbol"], "size": 11, "color": look[theme()],
                        "line": {"width": 2 if look["symbol"].endswith("open") else 0}},
                hovertemplate=f"%{{text}} {look['name'].lower()}: %{{y:.2f}}{SPACE}% for %{{x:.4g}}<extra></extra>",
            )  # fmt: skip
    accuracies = [100 * result.accuracy for _, result, _ in points]
    margin = 0.08 * (max(accuracies) - min(accuracies)) or 1.0
    low, high = min(accuracies) - margin, max(accuracies) + margin
    annotate_points(figure, _point_labels(points, letters), (low, high), HEIGHT - TOP - BOTTOM)
    figure.update_layout(
        margin={"t": TOP, "b": BOTTOM, "l": 50, "r": 60}, legend=top_legend(),
        xaxis=axis(COSTS[options.cost], [cost for *_, cost in points], is_log=True),
        yaxis={"title": f"{score[0].upper()}{score[1:]}, %", "automargin": True, "range": [low, high]},
    )  # fmt: skip
    best = [index for front in fronts for index in front]
    names = "; ".join(_network_names([points[index] for index in best], letters))
    title = f"{score[0].upper()}{score[1:]} by {COSTS[options.cost].lower()}"
    chart(figure, "trade", f"{title}. Pareto front: {names}.", height=HEIGHT)
    st.caption(
        f"Pareto front: {names}. No other network here on the same data is at least as accurate and cheaper, or at "
        "most as expensive and more accurate."
    )
    numbers(
        lambda: [
            {"run": letters[row.id], "network": result.network.role, "layers": result.network.model,
             COSTS[options.cost]: cost, f"{score}, %": 100 * result.accuracy, "Pareto front": index in best}
            for index, (row, result, cost) in enumerate(points)
        ],
        f"accuracy by {options.cost}", alt="Accuracy and cost of every network.",
    )  # fmt: skip


def _pareto_fronts(points: list[Point]) -> list[list[int]]:
    """Return the indices of the points on the front of each data set. Accuracies on others are not comparable."""
    groups: dict[str, list[int]] = {}
    for index, (row, *_) in enumerate(points):
        data = json.dumps(row.available_config.dataset.to_dict()) if row.available_config else ""
        groups.setdefault(data, []).append(index)
    fronts = []
    for group in groups.values():
        front = comparison.pareto_front([(points[index][2], points[index][1].accuracy) for index in group])
        fronts.append([group[position] for position in front])
    return fronts


def _point_labels(points: list[Point], letters: dict[str, str]) -> dict[tuple[float, float], str]:
    """Return the letters at each point (cost, per cent). Several runs of the same seed may share one."""
    labels: dict[tuple[float, float], list[str]] = {}
    for row, result, cost in points:
        labels.setdefault((cost, 100 * result.accuracy), []).append(letters[row.id])
    return {point: ", ".join(dict.fromkeys(names)) for point, names in labels.items()}


def _network_names(points: list[Point], letters: dict[str, str]) -> list[str]:
    """Return the networks in few words, as "A, B teacher" where two runs have the same one."""
    runs: dict[tuple[str, float, float], list[str]] = {}
    for row, result, cost in points:
        runs.setdefault((result.network.role, cost, result.accuracy), []).append(letters[row.id])
    return [f"{', '.join(names)} {role}" for (role, *_), names in runs.items()]


def _cost(result: NetworkResult, cost: str, times: dict[str, list[latency.Latency]]) -> float | None:
    network = result.network
    if cost == "latency":
        medians = [1000 * time.median for time in times.get(latency.latency_key(network), []) if time.batch == 1]
        return medians[0] if medians else None
    return {"size": network.size / 1000, "flops": network.flops / 1000, "parameters": float(network.parameters)}[cost]
