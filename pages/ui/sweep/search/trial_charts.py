"""Charts of the trials of a search, their accuracy in the order of proposal, and over two of the options."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from kd_core.base.marks import percent
from kd_core.config.sweep import value_title
from kd_core.config.sweep.search import Dimension
from kd_core.runs import manager
from kd_core.runs.sweeps.search_results import SearchResults, Trial, rising_best
from kd_core.store.records import PRUNED
from pages.ui.components.palette import ROLES
from pages.ui.sweep.settings import ACROSS, DOWN, url
from pages.ui.widgets import charts, keys
from pages.ui.widgets.color_scales import sequential

HEIGHT = 340
STATES = {manager.COMPLETED: ("completed", "circle"), PRUNED: ("pruned", "x-thin-open")}


def charts_of(results: SearchResults, name: str, names: Mapping[str, str]) -> None:
    """Draw both charts side by side."""
    version = hash(tuple((trial.number, trial.state, trial.accuracy) for trial in results.trials))
    left, right = st.columns(2, gap="medium")
    with left:
        charts.heading("", "Validation accuracy by trial, %", "")
        charts.cached_chart(
            f"trials of {name} {version}", partial(_history, results), f"trials of search {name}",
            _history_text(results), height=HEIGHT,
        )  # fmt: skip
    with right:
        first, second = _two_options(results)
        charts.heading("", "Where the good trials are", "")
        charts.cached_chart(
            f"options of {name} {version} {first.option} {second and second.option}",
            partial(_map, results, first, second, names), f"options of search {name}",
            _map_text(results, first, second, names), height=HEIGHT,
        )  # fmt: skip
        if len(results.search.dimensions) > 2:
            _pickers(results, names, first, second)
    st.caption("Crosses are trials that were ended early, with their accuracy at that time. ★ is the best one.")


def _two_options(results: SearchResults) -> tuple[Dimension, Dimension | None]:
    """Return the options of the chart, chosen below it, by default the first two."""
    dimensions = {each.option: each for each in results.search.dimensions}
    options = list(dimensions)
    chosen = [st.query_params.get(axis, "") for axis in (ACROSS, DOWN)]
    first = chosen[0] if chosen[0] in dimensions else options[0]
    rest = [option for option in options if option != first]
    second = chosen[1] if chosen[1] in rest else (rest[0] if rest else "")
    return dimensions[first], dimensions.get(second)


def _pickers(results: SearchResults, names: Mapping[str, str], first: Dimension, second: Dimension | None) -> None:
    options = [each.option for each in results.search.dimensions]
    for number, (column, dimension) in enumerate(zip(st.columns(2, gap="small"), (first, second), strict=True)):
        if dimension is not None:
            with column:
                st.selectbox(
                    ("x-axis", "y-axis")[number], options, options.index(dimension.option),
                    key=keys.key(f"search axis {number}", dimension.option), on_change=_write_axes,
                    format_func=lambda name: names.get(name, name),
                )  # fmt: skip


def _write_axes() -> None:
    first, second = (keys.current_value(f"search axis {number}", "") for number in range(2))
    url.update(**{ACROSS: first, DOWN: second if second != first else ""})


def _evaluated(results: SearchResults) -> list[Trial]:
    return [trial for trial in results.trials if trial.accuracy is not None and trial.state in STATES]


def _history(results: SearchResults) -> go.Figure:
    colour, grey = ROLES["student"][charts.theme()], charts.GREY[charts.theme()]
    figure = charts.small_figure()
    rising = [(number, 100 * best) for number, best in enumerate(rising_best(results.trials), start=1)]
    rising = [pair for pair in rising if math.isfinite(pair[1])]
    figure.add_scatter(
        x=[number for number, _ in rising], y=[best for _, best in rising],
        mode="lines", line={"shape": "hv", "color": colour, "width": 2}, name="best so far", hoverinfo="skip",
    )  # fmt: skip
    for state, (label, symbol) in STATES.items():
        trials = [trial for trial in _evaluated(results) if trial.state == state]
        ink = colour if state == manager.COMPLETED else grey
        marker = {"symbol": symbol, "size": 9, "color": ink, "line": {"width": 2, "color": ink}}
        figure.add_scatter(
            x=[trial.number + 1 for trial in trials], y=[100 * (trial.accuracy or 0.0) for trial in trials],
            mode="markers", name=label, marker=marker,
            hovertemplate="trial %{x}: %{y:.1f}\u00a0%<extra>" + label + "</extra>",
        )  # fmt: skip
    _star(figure, results, lambda trial: (trial.number + 1, 100 * (trial.accuracy or 0.0)))
    figure.update_layout(margin={"t": charts.BAR + charts.LEGEND}, legend=charts.top_legend())
    figure.update_xaxes(title="trial", tickformat="d")
    figure.update_yaxes(title=f"validation {_score(results)}, %")
    return figure


def _score(results: SearchResults) -> str:
    return results.search.base.dataset.task.validation_score_title


def _map(results: SearchResults, first: Dimension, second: Dimension | None, names: Mapping[str, str]) -> go.Figure:
    figure = charts.small_figure()
    trials = [
        trial for trial in _evaluated(results) if all(d is None or d.option in trial.values for d in (first, second))
    ]
    accuracies = [100 * (trial.accuracy or 0.0) for trial in _evaluated(results) if trial.state == manager.COMPLETED]
    low, high = (min(accuracies), max(accuracies)) if accuracies else (0.0, 100.0)
    bar = f"{_score(results)}, %"

    def place(trial: Trial) -> tuple[Any, Any]:
        accuracy = 100 * (trial.accuracy or 0.0)
        return _value(first, trial), accuracy if second is None else _value(second, trial)

    for state, (label, symbol) in STATES.items():
        chosen = [trial for trial in trials if trial.state == state]
        places = [place(trial) for trial in chosen]
        ink: Any = charts.GREY[charts.theme()]
        marker: dict[str, Any] = {"symbol": symbol, "size": 11, "color": ink, "line": {"width": 2, "color": ink}}
        if state == manager.COMPLETED:
            marker |= {
                "color": [100 * (trial.accuracy or 0.0) for trial in chosen], "cmin": low, "cmax": max(high, low + 1),
                "colorscale": [list(stop) for stop in sequential()], "line": {"width": 1, "color": ink},
                "colorbar": {"thickness": 10, "outlinewidth": 0, "title": {"text": bar, "side": "right"}},
            }  # fmt: skip
        figure.add_scatter(
            x=[x for x, _ in places], y=[y for _, y in places], mode="markers", marker=marker, name=label,
            text=[_hover(trial, names) for trial in chosen], hovertemplate="%{text}<extra>" + label + "</extra>",
        )  # fmt: skip
    _star(figure, results, place, first, second)
    figure.update_layout(showlegend=False)
    figure.update_xaxes(**_axis(first, names))
    figure.update_yaxes(**({"title": f"validation {_score(results)}, %"} if second is None else _axis(second, names)))
    return figure


def _star(figure: go.Figure, results: SearchResults, place: Any, *dimensions: Dimension | None) -> None:
    best = results.best
    if best is not None and all(each is None or each.option in best.values for each in dimensions):
        x, y = place(best)
        figure.add_scatter(
            x=[x], y=[y], mode="text", text=["★"], textposition="top center", hoverinfo="skip", showlegend=False,
            textfont={"size": 16, "color": charts.INK[charts.theme()]},
        )  # fmt: skip


def _value(dimension: Dimension, trial: Trial) -> Any:
    text = trial.values[dimension.option]
    return charts.escape_html(value_title(dimension.option, text)) if dimension.choices else float(text)


def _axis(dimension: Dimension, names: Mapping[str, str]) -> dict[str, Any]:
    title = names.get(dimension.option, dimension.option)
    if dimension.choices:
        labels = [charts.escape_html(value_title(dimension.option, choice)) for choice in dimension.choices]
        return {"title": title, "type": "category", "categoryorder": "array", "categoryarray": labels}
    ends = (dimension.low, dimension.high)
    low, high = map(math.log10, ends) if dimension.is_log else ends
    margin = 0.04 * (high - low)
    return charts.axis(title, ends, is_log=dimension.is_log) | {"range": [low - margin, high + margin]}


def _hover(trial: Trial, names: Mapping[str, str]) -> str:
    values = [f"{names.get(name, name)} {value_title(name, value)}" for name, value in trial.values.items()]
    lines = [f"trial {trial.number + 1}: {percent(trial.accuracy or 0.0)}", *values]
    return "<br>".join(charts.escape_html(line) for line in lines)


def _history_text(results: SearchResults) -> str:
    best = results.best
    text = f"Validation accuracy of {len(_evaluated(results))} trials in the order of their proposal."
    return text if best is None else f"{text} The best is trial {best.number + 1} with {percent(best.accuracy or 0.0)}."


def _map_text(results: SearchResults, first: Dimension, second: Dimension | None, names: Mapping[str, str]) -> str:
    options = " and ".join(names.get(each.option, each.option) for each in (first, second) if each is not None)
    best = results.best
    text = f"Accuracy of the trials over {options}."
    if best is None:
        return text
    values = ", ".join(f"{names.get(name, name)} {value_title(name, value)}" for name, value in best.values.items())
    return f"{text} The best has {values}. The numbers are in the table below."
