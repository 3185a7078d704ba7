"""Skill or luck: groups of runs that differ in their seed alone, their gains over the control, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from kd_core.analysis import comparison
from kd_core.analysis.comparison import Mean, SeedGroup
from kd_core.runs import manager
from kd_core.store.store import Run
from pages.ui.browser.palette import ROLES
from pages.ui.run import history
from pages.ui.run.verdict import ICONS
from pages.ui.text import roles
from pages.ui.widgets.charts import BAR, GREY, LEGEND, chart, theme, top_legend
from pages.ui.widgets.tables import numbers

A_GROUP = 64  # pixels of a chart


def seed_groups(rows: dict[str, Run], called: dict[str, str]) -> None:
    """A sentence for every group, and all gains on one axis."""
    found = comparison.seed_groups(manager.get_manager().store, [row for row in rows.values() if row.available_config])
    if not found:
        st.info("None of these runs was completed as it was set up, so there is nothing to hold against a control.")
        return
    names = [_letters(group, rows, called) for group in found]
    for group, name in zip(found, names, strict=True):
        title = history.describe_run(group.runs[0]).rsplit(" · ", 1)[0]
        with st.container(border=True):
            st.markdown(
                f"{ICONS.get(group.verdict.outcome, ':material/balance:')} **{name}:** {group.verdict.sentence}"
            )
            seeds = ", ".join(str(run.seed) for run in group.runs)
            st.caption(f"{title} · {'seeds' if len(group.runs) > 1 else 'seed'} {seeds}")
    if any(group.gains for group in found):
        _gains(found, names)
    lines = [_line(group, name) for group, name in zip(found, names, strict=True)]
    columns: dict[str, Any] = {
        column: st.column_config.NumberColumn(format="%.2f") for column in lines[0] if "%" in column
    }
    numbers(lines, "seeds", alt="Each group with its means, intervals and paired difference.", **columns)
    st.caption(
        "All stored seeds of a group count, whether they are ticked above or not; runs that were stopped or changed by "
        "hand do not. Differences are paired: student and control of the same seed, which share examples and order."
    )


def _gains(found: Sequence[SeedGroup], names: Sequence[str]) -> None:
    """Every seed as a ring, their mean as a dot with its interval."""
    figure, student = go.Figure(), ROLES["student"][theme()]
    for at, group in enumerate(found):
        if not group.gains:
            continue
        seeds, gains = list(group.gains), list(group.gains.values())
        figure.add_scatter(
            x=gains, y=[at - 0.18] * len(gains), mode="markers", customdata=seeds, showlegend=at == 0, name="One seed",
            marker={"symbol": "circle-open", "size": 8, "color": GREY[theme()]},
            hovertemplate="seed %{customdata}: %{x:+.2f} points<extra></extra>",
        )  # fmt: skip
        own = comparison.mean(gains)
        if own.interval is not None:
            low, high = own.interval
            error = {"array": [high - own.value], "arrayminus": [own.value - low], "thickness": 2.5, "width": 7}
            figure.add_scatter(
                x=[own.value], y=[at + 0.12], error_x={**error, "color": student}, mode="markers",
                marker={"symbol": "circle", "size": 11, "color": student}, name="Mean with 95 % interval",
                showlegend=not any("Mean" in (trace.name or "") for trace in figure.data),
                hovertemplate=f"{own.value:+.2f} points, {low:+.2f} to {high:+.2f}<extra></extra>",
            )  # fmt: skip
    figure.add_vline(x=0, line={"color": GREY[theme()], "width": 1.5, "dash": "dot"})
    figure.update_layout(
        margin={"t": BAR + LEGEND, "b": 50, "l": 10, "r": 20}, legend=top_legend(),
        xaxis={"title": "Gain over the control, points", "automargin": True},
        yaxis={"tickvals": list(range(len(names))), "ticktext": list(names), "range": [len(names) - 0.4, -0.6],
               "automargin": True, "zeroline": False},
    )  # fmt: skip
    said = "; ".join(
        f"{name} {comparison.mean(list(group.gains.values())).value:+.1f} points over {len(group.gains)} seeds"
        for name, group in zip(names, found, strict=True) if group.gains
    )  # fmt: skip
    chart(figure, "gains", f"Paired differences: {said}.", height=170 + A_GROUP * len(names))


def _letters(group: SeedGroup, rows: dict[str, Run], called: dict[str, str]) -> str:
    own = [called[each] for each, row in rows.items() if row.family == group.runs[0].family]
    more = len(group.runs) - len([run for run in group.runs if run.id in rows])
    return ", ".join(own) + (f" and {more} more seed{'s' if more > 1 else ''}" if more > 0 else "")


def _line(group: SeedGroup, name: str) -> dict[str, Any]:
    gain = comparison.mean(list(group.gains.values())) if group.gains else None
    return {
        "group": name,
        "seeds": len(group.runs),
        **_mean(f"{roles.title(group.comparison.role)}, %", group.student),
        **_mean(f"{roles.title(group.comparison.control)}, %", group.control),
        **_mean("difference, % points", gain),
        "verdict": group.verdict.sentence,
    }


def _mean(what: str, found: Mean | None) -> dict[str, float | None]:
    low, high = found.interval if found and found.interval else (None, None)
    return {what: found.value if found else None, f"{what}: from": low, f"{what}: to": high}
