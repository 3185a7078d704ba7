"""Learning curves of several runs in one chart, with any measure over epochs, steps or seconds."""

from __future__ import annotations

import functools
import html
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import plotly.graph_objects as go
import streamlit as st

from kd_core.analysis import learning_curves
from kd_core.analysis.learning_curves import (
    ACCURACY,
    AGREEMENT,
    EPOCH,
    LOSS,
    MOST_SMOOTH,
    PART,
    RATE,
    SECONDS,
    STEP,
    TRAINING,
    Curve,
)
from kd_core.base.options import shorten
from kd_core.store.queries import RunQueries
from kd_core.store.records import ACTIVE
from kd_core.store.store import Run, Store
from pages.ui.app.errors import catch_errors
from pages.ui.compare.results_table import score_of
from pages.ui.compare.settings import KINDS, CompareOptions, bind, url
from pages.ui.components.palette import EXTRA_COLOURS, ROLES
from pages.ui.widgets.charts import axis, chart, label_shifts, theme
from pages.ui.widgets.tables import numbers
from pages.ui.widgets.text import roles

MEASURES = {
    ACCURACY: "Validation accuracy, %", LOSS: "Validation loss, nats", AGREEMENT: "Agreement with the teacher, %",
    TRAINING: "Training loss, nats", RATE: "Learning rate",
}  # fmt: skip
X_AXES = {EPOCH: "Epochs", STEP: "Steps", SECONDS: "Seconds"}
MAX_LABELLED = 10  # lines with their name at the end; more have a legend
MAX_LINES = 24
HEIGHT, TOP, BOTTOM = 440, 44, 50  # pixels: the chart, its margins
POLL_SECONDS = 2.0
READING_FRACTION = 0.1  # of the time that is spent on reading the events of an active run, at most
NAME_LENGTH = 14  # characters of a run's name at the end of a line

Curves = dict[tuple[str, str], Curve]  # of one run, by role and measure
Version = tuple[str, int, int]


@dataclass(frozen=True)
class Line:
    """One line of the chart, or the mean of ``count`` runs with its interval."""

    name: str
    kind: str
    colour: str
    x: list[float]
    y: list[float]
    low: list[float]
    high: list[float]
    count: int = 1
    short: str = ""  # replaces the name where there is little room

    @property
    def label(self) -> str:
        """Glyph and name."""
        return f"{self._glyph} {self.name}"

    @property
    def end_label(self) -> str:
        """Text at the end of the line, escaped for Plotly."""
        return html.escape(f"{self._glyph} {self.short or self.name}", quote=False)

    @property
    def _glyph(self) -> str:
        return ROLES[self.kind]["glyph"] if self.kind in ROLES else "●"


_versions: dict[str, tuple[Version, float]] = {}  # the version of a run that was read last, and its expiry


@functools.lru_cache(maxsize=32)
def _cached_curves(path: Path, run: str, version: Version) -> Curves:  # noqa: ARG001
    return learning_curves.read_curves(RunQueries(Store(path)), run)


def _read_curves(queries: RunQueries, run: str) -> Curves:
    """Return the curves of a run, read again when it has new events, a long run less often."""
    start = time.monotonic()
    version, expiry = _versions.get(run, (None, 0.0))
    if version is not None and start <= expiry:
        return _cached_curves(queries.path, run, version)
    version = queries.version(run)
    curves = _cached_curves(queries.path, run, version)
    seconds = time.monotonic() - start
    _versions[run] = (version, start + seconds / READING_FRACTION - seconds)
    return curves


def follow(queries: RunQueries, rows: dict[str, Run], letters: dict[str, str]) -> None:
    """Draw the curves, repeatedly while one of the runs is active."""
    is_live = any(row.state in ACTIVE for row in rows.values())
    if is_live:  # Streamlit rebuilds a chart that has new points, which resets its zoom
        is_live = st.toggle("Follow live", True, key="compare follow", help="Switch off to zoom while a run trains.")
    st.fragment(catch_errors(_follow), run_every=POLL_SECONDS if is_live else None, key="curves followed")(
        queries, rows, letters
    )


def _follow(queries: RunQueries, rows: dict[str, Run], letters: dict[str, str]) -> None:
    states = [row.state for row in queries.by_ids(list(rows)).values()]
    if states != [row.state for row in rows.values()]:  # the rest of the page depends on the states
        st.rerun()
    url.restore()
    curves(queries, rows, letters, url.read()[0])


def curves(queries: RunQueries, rows: dict[str, Run], letters: dict[str, str], options: CompareOptions) -> None:
    """Draw the choice of the curves, the chart, and its numbers."""
    by_run = {run: _read_curves(queries, run) for run in rows}
    parts = sorted({measure for run in by_run.values() for _, measure in run if measure.startswith(PART)})
    score = f"Validation {score_of(rows.values(), on_validation=True)}"
    titles = MEASURES | {ACCURACY: f"{score}, %"}
    titles |= {part: f"Part of the training loss: {part.removeprefix(PART)}, nats" for part in parts}
    if options.curve not in titles:
        st.warning(f"None of these runs has the curve in the link. {score} is shown instead.")
        options = options.with_values(curve=ACCURACY)
    title, x_title = titles[options.curve], X_AXES[options.x].lower()
    _widgets(titles, options)
    lines = _lines(queries, rows, letters, options, by_run)
    if not lines:
        st.info("None of these networks has this curve. Choose another curve or other networks.")
        return
    if len(lines) > MAX_LINES:
        st.info(f"{len(lines)} curves are too many to tell apart; the first {MAX_LINES} are drawn.")
        lines = lines[:MAX_LINES]
    _draw(lines, title, options)
    numbers(
        lambda: [
            {"curve": line.name, x_title: x, title: y, "smoothed": smoothed}
            for line in lines
            for x, y, smoothed in zip(line.x, line.y, learning_curves.smooth(line.y, options.smooth), strict=True)
        ],
        f"{options.curve} over {x_title}", alt=f"{title}: first, lowest, highest and last value.",
        table_rows=lambda: [
            {"curve": line.label, "first": line.y[0], "lowest": min(line.y), "highest": max(line.y),
             "last": line.y[-1], f"at {x_title}": line.x[-1]}
            for line in lines
        ],
    )  # fmt: skip


def _widgets(titles: dict[str, str], options: CompareOptions) -> None:
    left, middle, right = st.columns(3, gap="medium", vertical_alignment="bottom")
    with left:
        st.selectbox(
            "Curve", list(titles), list(titles).index(options.curve), format_func=lambda measure: titles[measure],
            **bind("curve", options.curve),
        )  # fmt: skip
    with middle:
        st.pills(
            "Networks", list(KINDS), default=options.kinds, selection_mode="multi", **bind("networks", options.kinds),
            format_func=lambda kind: f"{ROLES[kind]['glyph']} {ROLES[kind]['name']}",
        )  # fmt: skip
    with right:
        st.segmented_control(
            "x-axis", list(X_AXES), default=options.x, required=True, format_func=lambda x: X_AXES[x],
            **bind("x", options.x),
        )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.slider(
            "Smoothing", 0.0, MOST_SMOOTH, options.smooth, step=0.05, width=260, **bind("smooth", options.smooth),
            help="Exponential moving average: the weight of the points before. The raw curve stays visible, faintly.",
        )  # fmt: skip
        st.checkbox("Log values", options.log_y, **bind("log_y", options.log_y))
        st.checkbox(f"Log {X_AXES[options.x].lower()}", options.log_x, **bind("log_x", options.log_x))
        st.checkbox(
            "Average over seeds", options.together, **bind("together", options.together),
            help="Runs that differ only in their seed become one curve: their mean with its 95 % interval.",
        )  # fmt: skip


def _lines(
    queries: RunQueries,
    rows: dict[str, Run],
    letters: dict[str, str],
    options: CompareOptions,
    by_run: dict[str, Curves],
) -> list[Line]:
    """Return the lines of the chart. Fractions become per cent."""
    scale = 100.0 if options.curve in (ACCURACY, AGREEMENT) else 1.0
    groups: dict[tuple[str, str, str], list[tuple[str, list[float], list[float]]]] = {}
    for run, row in rows.items():
        prepared = queries.prepared(run)
        for network in prepared.networks if prepared else []:
            curve, kind = by_run[run].get((network.role, options.curve)), roles.kind(network)
            if curve is None or kind not in options.kinds:
                continue
            points = [
                (x, y * scale)
                for x, y in zip(curve.at[options.x], curve.values, strict=True)
                if (x > 0 or not options.log_x) and (y > 0 or not options.log_y)  # a logarithmic axis has no zero
            ]
            if points:
                key = (row.family if options.together else run, network.role, kind)
                groups.setdefault(key, []).append((run, [x for x, _ in points], [y for _, y in points]))
    lines, group_count = [], len({key for key, *_ in groups})
    for (_, role, kind), members in groups.items():
        member_letters = ", ".join(letters[run] for run, *_ in members)
        name, short = role if len(rows) == 1 else f"{member_letters} {role}", ""
        first = members[0][0]
        colour = _colour(letters[first], kind, group_count)
        if len(members) > 1:
            mean = learning_curves.mean_curve([(x, y) for _, x, y in members])
            if mean.x:
                lines.append(Line(name, kind, colour, mean.x, mean.mean, mean.low, mean.high, len(members)))
            continue
        if run_name := rows[first].annotations.name:
            name, short = f"{name} · {run_name}", f"{member_letters} {shorten(run_name, NAME_LENGTH)}"
            if len(options.kinds) > 1:
                short += f" {role}"
        lines.append(Line(name, kind, colour, *members[0][1:], [], [], short=short))
    return lines


def _colour(letter: str, kind: str, group_count: int) -> str:
    """Return the colour of the role for a single run or group, else of the run; dash and marker show the role then."""
    if group_count == 1 and kind in ROLES:
        return ROLES[kind][theme()]
    colours = EXTRA_COLOURS[theme()]
    return colours[(ord(letter) - ord("A")) % len(colours)]


def _draw(lines: Sequence[Line], title: str, options: CompareOptions) -> None:
    figure = go.Figure()
    has_end_labels = len(lines) <= MAX_LABELLED
    smoothed = [learning_curves.smooth(line.y, options.smooth) for line in lines]
    for line, values in zip(lines, smoothed, strict=True):
        look = ROLES[line.kind]
        if line.low:
            outline = {"x": [*line.x, *reversed(line.x)], "y": [*line.high, *reversed(line.low)]}
            figure.add_scatter(**outline, fill="toself", fillcolor=_faint(line.colour), line={"width": 0},
                               hoverinfo="skip", showlegend=False)  # fmt: skip
        if options.smooth:
            figure.add_scatter(x=line.x, y=line.y, mode="lines", line={"color": line.colour, "width": 1}, opacity=0.25,
                               hoverinfo="skip", showlegend=False)  # fmt: skip
        figure.add_scatter(
            x=line.x, y=values, customdata=line.y, mode="lines+markers", name=html.escape(line.label),
            line={"color": line.colour, "width": look["width"], "dash": look["dash"]}, showlegend=not has_end_labels,
            marker={"color": line.colour, "symbol": look["symbol"], "size": 7, "maxdisplayed": 8},
            hovertemplate="%{customdata:.4g}" + (", smoothed %{y:.4g}" if options.smooth else ""),
        )  # fmt: skip
    all_values = [value for values in smoothed for value in values]
    low, high = _range(all_values + _interval_edges(lines, options.log_y), is_log=options.log_y)
    if has_end_labels:
        ends = [math.log10(values[-1]) if options.log_y else values[-1] for values in smoothed]
        _label_ends(figure, lines, ends, (low, high))
    longest = max(len(html.unescape(line.end_label)) for line in lines)
    x_title = X_AXES[options.x]
    figure.update_layout(
        hovermode="x unified", legend={"orientation": "h", "x": 0, "y": -0.2, "yanchor": "top"},
        margin={"t": TOP, "b": BOTTOM, "l": 50, "r": 12 + 7 * longest if has_end_labels else 10},
        xaxis=axis(x_title, [x for line in lines for x in line.x], is_log=options.log_x),
        yaxis=axis(title, all_values, is_log=options.log_y) | {"range": [low, high]},
    )  # fmt: skip
    summary = "; ".join(f"{line.name} from {line.y[0]:.3g} to {line.y[-1]:.3g}" for line in lines)
    chart(figure, "curves", f"{title} over {x_title.lower()}: {summary}.", height=HEIGHT)
    notes = ["Seconds are wall-clock time, pauses included."] if options.x == SECONDS else []
    if any(line.count > 1 for line in lines):
        notes.append("The band is the 95 % interval of the mean over the seeds, on these validation examples.")
    notes.append("Each curve starts where its network starts to train.")
    if len(lines) > 1:
        notes.append("Line and marker show the network: ■ teacher, ● student, ○ baseline; colour and letter the run.")
    st.caption(" ".join(notes))


def _label_ends(figure: go.Figure, lines: Sequence[Line], ends: Sequence[float], limits: tuple[float, float]) -> None:
    """Write the names at the ends of the lines, without overlap."""
    low, high = limits
    shifts = label_shifts([(end - low) / (high - low) for end in ends], HEIGHT - TOP - BOTTOM)
    for line, end, shift in zip(lines, ends, shifts, strict=True):
        figure.add_annotation(
            x=1, xref="paper", y=end, yshift=shift, text=line.end_label, showarrow=False, xanchor="left", xshift=6,
            font={"color": line.colour, "size": 12},
        )  # fmt: skip


def _interval_edges(lines: Sequence[Line], is_log: bool) -> list[float]:
    return [edge for line in lines for edge in (*line.low, *line.high) if edge > 0 or not is_log]


def _range(values: Sequence[float], *, is_log: bool) -> tuple[float, float]:
    """Return the limits of the y-axis with a margin; those of a logarithmic axis are powers of ten."""
    low, high = min(values), max(values)
    if is_log:
        low, high = math.log10(low), math.log10(high)
    margin = 0.05 * (high - low) or max(0.05 * abs(low), 1e-6)
    return low - margin, high + margin


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"
