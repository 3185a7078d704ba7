"""Curves of several runs over each other: any measure, over steps, epochs or seconds."""

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

from kd_core import courses
from kd_core.courses import ACCURACY, AGREEMENT, EPOCH, LOSS, MOST_SMOOTH, PART, RATE, SECONDS, STEP, TRAINING, Course
from kd_core.ledger import Ledger
from kd_core.options import shorten
from kd_core.status import ACTIVE
from kd_core.store import Run, Store
from pages.ui import roles
from pages.ui.charts import above, apart, axis, chart, theme
from pages.ui.comparing import KINDS, Comparing, bound, current
from pages.ui.components.palette import MORE, ROLES
from pages.ui.errors import spared
from pages.ui.tables import numbers

CURVES = {
    ACCURACY: "Validation accuracy, %", LOSS: "Validation loss, nats", AGREEMENT: "Agreement with the teacher, %",
    TRAINING: "Training loss, nats", RATE: "Learning rate",
}  # fmt: skip
OVER = {EPOCH: "Epochs", STEP: "Steps", SECONDS: "Seconds"}
LABELLED = 10  # lines that have their names at their ends; of more there is a legend
HEIGHT, TOP, FOOT = 440, 44, 50  # pixels: the chart, its margins
MOST_LINES = 24
POLL_SECONDS = 2.0
SHORT = 14  # characters of a run's name at the end of a line


@dataclass(frozen=True)
class Line:
    """One curve to be drawn, or the mean of ``count`` of them."""

    name: str
    kind: str
    colour: str
    x: list[float]
    y: list[float]
    low: list[float]
    high: list[float]
    count: int = 1
    short: str = ""  # instead of the name where there is little room

    @property
    def label(self) -> str:
        return f"{self._glyph} {self.name}"

    @property
    def end(self) -> str:
        """What stands at the end of the line. For Plotly, to which text is markup."""
        return html.escape(f"{self._glyph} {self.short or self.name}", quote=False)

    @property
    def _glyph(self) -> str:
        return ROLES[self.kind]["glyph"] if self.kind in ROLES else "●"


Version = tuple[str, int, int]
_read: dict[str, tuple[Version, float]] = {}  # what was read of a run, and until when that is new enough


@functools.lru_cache(maxsize=32)
def _learned(path: Path, run: str, version: Version) -> dict[tuple[str, str], Course]:  # noqa: ARG001
    return courses.courses(Ledger(Store(path)), run)


def _newly_learned(ledger: Ledger, run: str) -> dict[tuple[str, str], Course]:
    """What a run has learned, read again only when it has said more, and a long one less often: reading takes a tenth
    of the time at most."""
    begun = time.monotonic()
    version, until = _read.get(run, (None, 0.0))
    if version is None or begun > until:
        version = ledger.version(run)
    found = _learned(ledger.path, run, version)
    if begun > until:
        _read[run] = (version, begun + 9 * (time.monotonic() - begun))
    return found


def follow(ledger: Ledger, rows: dict[str, Run], called: dict[str, str]) -> None:
    """:func:`curves`, on and on while one of the runs is active; the rest of the page is drawn again as soon as that
    has another state."""
    is_live = any(row.state in ACTIVE for row in rows.values())
    if is_live:  # Streamlit builds a chart with other points anew, and its zoom is lost
        is_live = st.toggle("Follow live", True, key="compare follow", help="Switch it off to zoom in at leisure.")
    st.fragment(spared(_follow), run_every=POLL_SECONDS if is_live else None, key="curves followed")(
        ledger, rows, called
    )


def _follow(ledger: Ledger, rows: dict[str, Run], called: dict[str, str]) -> None:
    now = ledger.named(list(rows))
    if [row.state for row in now.values()] != [row.state for row in rows.values()]:
        st.rerun()
    curves(ledger, rows, called, current(is_quiet=True))


def curves(ledger: Ledger, rows: dict[str, Run], called: dict[str, str], view: Comparing) -> None:
    """The choice of what is drawn, the chart, and its numbers."""
    found = {each: _newly_learned(ledger, each) for each in rows}
    parts = sorted({measure for own in found.values() for _, measure in own if measure.startswith(PART)})
    names = {**CURVES, **{part: f"Part of the training loss: {part.removeprefix(PART)}, nats" for part in parts}}
    if view.curve not in names:
        st.warning("None of these runs has the curve that the link asks for. Validation accuracy is shown instead.")
        view = view.with_values(curve=ACCURACY)
    curve = view.curve
    _controls(names, curve, view)
    learned = {
        each: {role: course for (role, what), course in own.items() if what == curve} for each, own in found.items()
    }
    lines = _lines(ledger, rows, called, view, learned)
    if not lines:
        st.info("None of these networks has this curve. Choose another curve or other networks.")
        return
    if len(lines) > MOST_LINES:
        st.info(f"{len(lines)} curves are more than anybody can tell apart; the first {MOST_LINES} are drawn.")
        lines = lines[:MOST_LINES]
    _draw(lines, names[curve], view)
    rows_of = [
        {"curve": line.name, OVER[view.x].lower(): x, names[curve]: y, "smoothed": s}
        for line in lines
        for x, y, s in zip(line.x, line.y, courses.smoothed(line.y, view.smooth), strict=True)
    ]
    numbers(
        rows_of, f"{curve} over {OVER[view.x].lower()}", alt=f"{names[curve]}: first, lowest, highest and last value.",
        shown=[
            {"curve": line.label, "first": line.y[0], "lowest": min(line.y), "highest": max(line.y),
             "last": line.y[-1], f"at {OVER[view.x].lower()}": line.x[-1]}
            for line in lines
        ],
    )  # fmt: skip


def _controls(names: dict[str, str], curve: str, view: Comparing) -> None:
    left, middle, right = st.columns(3, gap="medium", vertical_alignment="bottom")
    with left:
        at = list(names).index(curve)
        st.selectbox("Curve", list(names), at, format_func=lambda key: names[key], **bound("curve", curve))
    with middle:
        st.pills(
            "Networks", list(KINDS), default=view.kinds, selection_mode="multi", **bound("networks", view.kinds),
            format_func=lambda kind: f"{ROLES[kind]['glyph']} {ROLES[kind]['name']}",
        )  # fmt: skip
    with right:
        st.segmented_control(
            "Over", list(OVER), default=view.x, required=True, format_func=lambda key: OVER[key], **bound("x", view.x)
        )
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.slider(
            "Smoothing", 0.0, MOST_SMOOTH, view.smooth, step=0.05, width=260, **bound("smooth", view.smooth),
            help="Each point keeps this share of what was before it. The raw curve stays, faint.",
        )  # fmt: skip
        st.checkbox("Log values", view.log_y, **bound("log_y", view.log_y))
        st.checkbox(f"Log {OVER[view.x].lower()}", view.log_x, **bound("log_x", view.log_x))
        st.checkbox(
            "Seeds together",
            view.together,
            **bound("together", view.together),
            help="Compared runs that differ in their seed alone become one curve: their mean, with its 95 % interval.",
        )


def _lines(
    ledger: Ledger, rows: dict[str, Run], called: dict[str, str], view: Comparing, learned: dict[str, dict[str, Course]]
) -> list[Line]:
    """``learned``: the wanted curve by run and role. Shares become per cent."""
    scale = 100.0 if view.curve in (ACCURACY, AGREEMENT) else 1.0
    gathered: dict[tuple[str, str, str], list[tuple[str, list[float], list[float]]]] = {}
    for each, row in rows.items():
        prepared = ledger.prepared(each)
        for network in prepared.networks if prepared else []:
            course, kind = learned[each].get(network.role), roles.kind(network)
            if course is None or kind not in view.kinds:
                continue
            points = [
                (x, y * scale)
                for x, y in zip(course.at[view.x], course.values, strict=True)
                if (x > 0 or not view.log_x) and (y > 0 or not view.log_y)  # a logarithm has no place for them
            ]
            if points:
                key = (row.family if view.together else each, network.role, kind)
                gathered.setdefault(key, []).append((each, [x for x, _ in points], [y for _, y in points]))
    lines, sets = [], len({key for key, *_ in gathered})
    for (_, role, kind), members in gathered.items():
        who = ", ".join(called[each] for each, *_ in members)
        name, short = role if len(rows) == 1 else f"{who} {role}", ""
        if len(members) == 1 and (given := rows[members[0][0]].labels.name):
            name, short = f"{name} · {given}", f"{who} {shorten(given, SHORT)}"
            if len(view.kinds) > 1:
                short += f" {role}"
        colour = _colour(called[members[0][0]], kind, sets)
        if len(members) > 1:
            own = courses.band([(x, y) for _, x, y in members])
            if own.x:
                lines.append(Line(name, kind, colour, own.x, own.mean, own.low, own.high, len(members)))
        else:
            lines.append(Line(name, kind, colour, *members[0][1:], [], [], short=short))
    return lines


def _colour(letter: str, kind: str, count: int) -> str:
    """Of one run or group by role, as everywhere; of several by run: then dash and marker tell the role."""
    if count == 1 and kind in ROLES:
        return ROLES[kind][theme()]
    colours = MORE[theme()]
    return colours[(ord(letter) - ord("A")) % len(colours)]


def _draw(lines: Sequence[Line], title: str, view: Comparing) -> None:
    figure = go.Figure()
    is_labelled = len(lines) <= LABELLED
    drawn = [courses.smoothed(line.y, view.smooth) for line in lines]
    for line, shown in zip(lines, drawn, strict=True):
        look = ROLES[line.kind]
        if line.low:
            outline = {"x": [*line.x, *reversed(line.x)], "y": [*line.high, *reversed(line.low)]}
            figure.add_scatter(**outline, fill="toself", fillcolor=_faint(line.colour), line={"width": 0},
                               hoverinfo="skip", showlegend=False)  # fmt: skip
        if view.smooth:
            figure.add_scatter(x=line.x, y=line.y, mode="lines", line={"color": line.colour, "width": 1}, opacity=0.25,
                               hoverinfo="skip", showlegend=False)  # fmt: skip
        marks = {"color": line.colour, "symbol": look["symbol"], "size": 7, "maxdisplayed": 8}
        figure.add_scatter(
            x=line.x, y=shown, customdata=line.y, mode="lines+markers", marker=marks, name=html.escape(line.label),
            line={"color": line.colour, "width": look["width"], "dash": look["dash"]}, showlegend=not is_labelled,
            hovertemplate="%{customdata:.4g}" + (", smoothed %{y:.4g}" if view.smooth else ""),
        )  # fmt: skip
    low, high = _range([value for line in drawn for value in line] + _edges(lines, view.log_y), is_log=view.log_y)
    if is_labelled:
        ends = [math.log10(values[-1]) if view.log_y else values[-1] for values in drawn]  # a log axis takes logarithms
        _labels(figure, lines, ends, (low, high))
    longest = max(len(html.unescape(line.end)) for line in lines)
    figure.update_layout(
        hovermode="x unified", margin={"t": TOP, "b": FOOT, "l": 50, "r": 12 + 7 * longest if is_labelled else 10},
        legend=above(),
        xaxis=axis(OVER[view.x], [place for line in lines for place in line.x], is_log=view.log_x),
        yaxis=axis(title, [value for line in drawn for value in line], is_log=view.log_y) | {"range": [low, high]},
    )  # fmt: skip
    said = "; ".join(f"{line.name} from {line.y[0]:.3g} to {line.y[-1]:.3g}" for line in lines)
    chart(figure, "curves", f"{title} over {OVER[view.x].lower()}: {said}.", height=HEIGHT)
    means = [line for line in lines if line.count > 1]
    runs_on = "Seconds are those of the clock, pauses included. " if view.x == SECONDS else ""
    if means:
        runs_on += "The band is the 95 % interval of the mean over the seeds. "
    st.caption(
        f"{runs_on}Each network from where it began to learn. Line and marker tell the kind of network"
        + (": ■ teacher, ● student, ○ baseline; colour and letter the run." if len(lines) > 1 else ".")
    )


def _labels(figure: go.Figure, lines: Sequence[Line], ends: Sequence[float], between: tuple[float, float]) -> None:
    """Names at the ends of lines, none over another."""
    low, high = between
    moved = apart([(end - low) / (high - low) for end in ends], HEIGHT - TOP - FOOT)
    for line, end, shift in zip(lines, ends, moved, strict=True):
        figure.add_annotation(
            x=1, xref="paper", y=end, yshift=shift, text=line.end, showarrow=False, xanchor="left", xshift=6,
            font={"color": line.colour, "size": 12},
        )  # fmt: skip


def _edges(lines: Sequence[Line], is_log: bool) -> list[float]:
    return [edge for line in lines for edge in (*line.low, *line.high) if edge > 0 or not is_log]


def _range(values: Sequence[float], *, is_log: bool) -> tuple[float, float]:
    """With room above and below; of a logarithmic axis in powers of ten."""
    ends = [math.log10(edge) for edge in (min(values), max(values))] if is_log else [min(values), max(values)]
    room = 0.05 * (ends[1] - ends[0]) or max(0.05 * abs(ends[0]), 1e-6)
    return ends[0] - room, ends[1] + room


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"
