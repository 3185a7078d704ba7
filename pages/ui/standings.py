"""The compared runs beside each other: the settings that differ, and what every network can do and costs."""

from __future__ import annotations

import json
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from kd_core import contrast, runs, stopwatch
from kd_core.config import MEMBERS, OPTION_GROUPS, RunConfig
from kd_core.contrast import Standing
from kd_core.ledger import Ledger
from kd_core.options import in_words, options_of
from kd_core.store import Run
from pages.ui import roles
from pages.ui.acting import acting, button
from pages.ui.browser.palette import ROLES
from pages.ui.comparing import Comparing, bound
from pages.ui.errors import spared
from pages.ui.figures import GREY, axis, chart, download, numbers, table, theme
from pages.ui.shelf import LABELS

COSTS = {
    "size": "File size, kB", "flops": "kFLOPs for one example", "parameters": "Parameters",
    "latency": "Latency here, ms (median, one example)",
}  # fmt: skip


def differences(rows: dict[str, Run], called: dict[str, str]) -> None:
    """The settings in which the compared runs differ, and those alone."""
    configs = {called[each]: row.listed for each, row in rows.items() if row.listed}
    if len(configs) < 2:
        st.caption("With two or more runs, the settings in which they differ stand here.")
        return
    found = contrast.differences(configs)
    if not found:
        st.info("These runs have the same settings, their seed included. They should give the same numbers.")
        return
    labels: dict[str, str] = {}
    for config in configs.values():
        labels = _labels(config) | labels
    lines = [
        {"setting": labels.get(name, name), **{key: text or "–" for key, text in own.items()}}
        for name, own in found.items()
    ]
    same = len(next(iter(configs.values())).flat()) - len(found)
    table(lines, alt=f"The {len(lines)} settings that differ.", setting=st.column_config.TextColumn(pinned=True))
    differ = "1 setting differs" if len(lines) == 1 else f"{len(lines)} settings differ"
    st.caption(f"{differ}, the other {max(0, same)} are the same.")
    download(lambda: [{"setting": name, **own} for name, own in found.items()], "differences")


def _labels(config: RunConfig) -> dict[str, str]:
    """What the flat settings of a run are called on the screen."""
    found = {}
    for member, _, prefix in MEMBERS:
        found[member] = LABELS.get(member, member.capitalize())
        for name, option in options_of(type(getattr(config, member))).items():
            found[prefix + name] = f"{found[member]}: {in_words(name, option)}" if prefix else in_words(name, option)
    for _, kind, prefix in OPTION_GROUPS:
        role = "Teacher: " if prefix else ""
        for name, option in options_of(kind).items():
            found[prefix + name] = f"{role}{in_words(name, option)}"
    return found


def of_all(ledger: Ledger, rows: dict[str, Run]) -> list[tuple[Run, Standing]]:
    """Every judged network of the compared runs."""
    found = []
    for each, row in rows.items():
        prepared = ledger.prepared(each)
        found += [(row, own) for own in contrast.standings(row, prepared.networks if prepared else [])]
    return found


def side_by_side(found: list[tuple[Run, Standing]], called: dict[str, str]) -> None:
    """Teacher, students and baseline of every run in one table."""
    if not found:
        st.info("None of these runs has come to its test split yet.")
        return
    watch = stopwatch.shared(runs.shared().folder)
    lines = [_line(own, called[row.id], watch.known()) for row, own in found]
    kept = [name for name in lines[0] if any(line[name] is not None for line in lines)]
    number = st.column_config.NumberColumn
    table(
        [{name: line[name] for name in kept} for line in lines],
        alt=f"Test results and costs of {len(lines)} networks.",
        **{
            "network": st.column_config.TextColumn(pinned=True),
            "test accuracy, %": number(format="%.2f"),
            "agrees with teacher, %": number(format="%.2f"),
            "NLL, nats": number(format="%.3f", help="Negative log-likelihood of the test labels; less is better."),
            "ECE, %": number(format="%.2f", help="Expected calibration error: how far it is from as sure as right."),
            "parameters": number(format="localized"),
            "kFLOPs": number(format="%.1f", help="Thousand operations for one example; a multiply-add counts two."),
            "file, kB": number(format="%.1f", help="All weights as float32."),
            **{name: number(format="%.3f") for name in kept if name.endswith(" ms")},
        },
    )
    download(lambda: lines, "networks")
    _ask(found, called)


def _line(own: Standing, letter: str, times: dict[str, list[stopwatch.Latency]]) -> dict[str, Any]:
    network = own.network
    look = ROLES[roles.kind(network)] if roles.kind(network) in ROLES else ROLES["student"]
    line: dict[str, Any] = {
        "network": f"{letter} {look['glyph']} {network.role}",
        "layers": network.model,
        "test accuracy, %": 100 * own.accuracy,
        "agrees with teacher, %": None if own.agreement is None else 100 * own.agreement,
        "NLL, nats": own.loss,
        "ECE, %": 100 * own.calibration_error,
        "parameters": network.parameters,
        "kFLOPs": network.flops / 1000,
        "file, kB": network.size / 1000,
    }
    known = {time.batch: time for time in times.get(stopwatch.kind_of(network), [])}
    for batch in stopwatch.BATCHES:
        time = known.get(batch)
        what = "one example" if batch == 1 else f"{batch} examples"
        line[f"{what}, ms"] = None if time is None else 1000 * time.median
        line[f"{what}, p95, ms"] = None if time is None else 1000 * time.p95
    return line


def _ask(found: list[tuple[Run, Standing]], called: dict[str, str]) -> None:
    """The button that measures latency, how far that is, and what could not be measured."""
    watch = stopwatch.shared(runs.shared().folder)
    known = watch.known()
    missing = {
        stopwatch.kind_of(own.network): (row, own)
        for row, own in found
        if stopwatch.kind_of(own.network) not in known and not watch.failed(stopwatch.kind_of(own.network))
    }
    if watch.waiting:
        st.fragment(spared(_wait), run_every=0.5, key="latency")()
    elif missing:
        label = f"Measure latency here ({len(missing)} network{'s' if len(missing) > 1 else ''})"
        if button(label, icon=":material/timer:", key="measure", help="A second or two for each kind of network."):
            for row, own in missing.values():
                acting().do(watch.ask, row.text, own.network)
            st.rerun()
    for row, own in found:
        if why := watch.failed(stopwatch.kind_of(own.network)):
            st.caption(f"{called[row.id]} {own.network.role}: no latency. {why}")
    if len(missing) < len(found):
        busy = runs.shared().store.in_state(*runs.ACTIVE)
        st.caption(
            "Latency is one forward pass on this machine’s processor with one thread, after a warm-up: the median, and "
            "the time that 95 % of the passes stay below. Networks of the same layers share one measurement."
            + (" Something trains here now, which makes new measurements slower." if busy else "")
        )


def _wait() -> None:
    waiting = stopwatch.shared(runs.shared().folder).waiting
    if not waiting:
        st.rerun()
    st.caption(f"Measuring: {waiting} still to come.")


def trade(found: list[tuple[Run, Standing]], called: dict[str, str], view: Comparing) -> None:
    """Test accuracy against what a network costs, and the networks that no other beats."""
    st.segmented_control(
        "Cost", list(COSTS), default=view.cost, required=True, format_func=lambda cost: COSTS[cost].split(",")[0],
        **bound("cost", view.cost),
    )  # fmt: skip
    times = stopwatch.shared(runs.shared().folder).known() if view.cost == "latency" else {}
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
                mode="markers+text", textposition="middle right", cliponaxis=False, name=look["name"],
                marker={"symbol": look["symbol"], "size": 11, "color": look[theme()],
                        "line": {"width": 2 if look["symbol"].endswith("open") else 0}},
                hovertemplate=f"%{{text}} {look['name'].lower()}: %{{y:.2f}} % for %{{x:.4g}}<extra></extra>",
            )  # fmt: skip
    figure.update_layout(
        margin={"t": 64, "b": 50, "l": 50, "r": 60},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        xaxis=axis(COSTS[view.cost], [cost for *_, cost in points], is_log=True),
        yaxis={"title": "Test accuracy, %", "automargin": True},
    )
    names = _unbeaten([points[at] for at in best], called)
    chart(
        figure, "trade", f"Test accuracy by {COSTS[view.cost].lower()}. Nothing beats {'; '.join(names)}.", height=400
    )
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


Point = tuple[Run, Standing, float]


def _by_data(points: list[Point]) -> list[list[int]]:
    """Positions of the points of each data set: what is accurate on one says nothing of another."""
    found: dict[str, list[int]] = {}
    for at, (row, *_) in enumerate(points):
        found.setdefault(json.dumps(row.listed.dataset.to_dict()) if row.listed else "", []).append(at)
    return list(found.values())


def _front(points: list[Point], group: list[int]) -> list[int]:
    best = contrast.front([(points[at][2], points[at][1].accuracy) for at in group])
    return [group[at] for at in best]


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


def _cost(own: Standing, what: str, times: dict[str, list[stopwatch.Latency]]) -> float | None:
    network = own.network
    if what == "latency":
        return next((1000 * time.median for time in times.get(stopwatch.kind_of(network), []) if time.batch == 1), None)
    return {"size": network.size / 1000, "flops": network.flops / 1000, "parameters": float(network.parameters)}[what]
