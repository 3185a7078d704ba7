"""Gains over the baseline, with confidence intervals, of groups of runs that differ only in their seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from kd_core.analysis import comparison
from kd_core.analysis.comparison import Mean, SeedGroup
from kd_core.base.marks import points, signed, unbroken
from kd_core.runs import manager
from kd_core.store.store import Run
from pages.ui.components.palette import ROLES
from pages.ui.run import history
from pages.ui.run.result.verdict import ICONS
from pages.ui.widgets.charts import BAR, GREY, LEGEND, chart, theme, top_legend
from pages.ui.widgets.tables import numbers
from pages.ui.widgets.text import roles

GROUP_HEIGHT = 64  # pixels of the chart


def seed_groups(rows: dict[str, Run], letters: dict[str, str]) -> None:
    """Draw a sentence per group, and all gains on one axis."""
    readable = [row for row in rows.values() if row.available_config]
    groups = comparison.seed_groups(manager.get_manager().store, readable)
    if not groups:
        st.info(
            _left_out(rows, letters) + "None of these runs was completed without manual changes, so there is nothing "
            "to test."
        )
        return
    names = [group_name(group, rows, letters) for group in groups]
    for group, name in zip(groups, names, strict=True):
        title = history.describe_run(group.runs[0]).rsplit(" · ", 1)[0]
        icon = ICONS.get(group.verdict.outcome, ":material/balance:")
        with st.container(border=True):
            st.markdown(f"{icon} **{name}:** {unbroken(group.verdict.sentence)}")
            seeds = ", ".join(str(run.seed) for run in group.runs)
            st.caption(f"{title} · {'seeds' if len(group.runs) > 1 else 'seed'} {seeds}")
    if any(group.gains for group in groups):
        _gains_chart(groups, names)
    lines = [_table_row(group, name) for group, name in zip(groups, names, strict=True)]
    columns: dict[str, Any] = {
        column: st.column_config.NumberColumn(format="%.2f") for column in lines[0] if "%" in column
    }
    columns["p"] = st.column_config.NumberColumn(
        format="%.3g", help="Two-sided p-value of no gain. It is not corrected for the number of groups."
    )
    numbers(lambda: lines, "seeds", alt="Each group with its means, intervals and paired difference.", **columns)
    st.caption(
        f"{_left_out(rows, letters)}All stored seeds of a group count, ticked above or not, except runs that failed, "
        "were stopped or changed by hand. Differences are paired: student and baseline of the same seed share examples "
        "and data order. The 95 % intervals count the seeds and the number of test examples."
    )


def _gains_chart(groups: Sequence[SeedGroup], names: Sequence[str]) -> None:
    """Draw every seed as a ring, and the mean of a group as a dot with its interval."""
    figure, colour = go.Figure(), ROLES["student"][theme()]
    for position, group in enumerate(groups):
        if not group.gains:
            continue
        seeds, gains = list(group.gains), list(group.gains.values())
        figure.add_scatter(
            x=gains, y=[position - 0.18] * len(gains), mode="markers", customdata=seeds, showlegend=position == 0,
            name="One seed", marker={"symbol": "circle-open", "size": 8, "color": GREY[theme()]},
            hovertemplate="seed %{customdata}: %{x:+.2f} points<extra></extra>",
        )  # fmt: skip
        mean = group.gain
        if mean is not None and mean.interval is not None:
            low, high = mean.interval
            error = {"array": [high - mean.value], "arrayminus": [mean.value - low], "thickness": 2.5, "width": 7}
            figure.add_scatter(
                x=[mean.value], y=[position + 0.12], error_x={**error, "color": colour}, mode="markers",
                marker={"symbol": "circle", "size": 11, "color": colour}, name="Mean with 95 % interval",
                showlegend=not any("Mean" in (trace.name or "") for trace in figure.data),
                hovertemplate=f"{points(mean.value, 2)}, {signed(low, 2)} to {signed(high, 2)}<extra></extra>",
            )  # fmt: skip
    figure.add_vline(x=0, line={"color": GREY[theme()], "width": 1.5, "dash": "dot"})
    figure.update_layout(
        margin={"t": BAR + LEGEND, "b": 50, "l": 10, "r": 20}, legend=top_legend(),
        xaxis={"title": "Gain over the baseline, points", "automargin": True},
        yaxis={"tickvals": list(range(len(names))), "ticktext": list(names), "range": [len(names) - 0.4, -0.6],
               "automargin": True, "zeroline": False},
    )  # fmt: skip
    means = "; ".join(
        f"{name} {points(group.gain.value)} over {len(group.gains)} seeds"
        for name, group in zip(names, groups, strict=True) if group.gain
    )  # fmt: skip
    chart(figure, "gains", f"Paired differences: {means}.", height=170 + GROUP_HEIGHT * len(names))


def group_name(group: SeedGroup, rows: dict[str, Run], letters: dict[str, str]) -> str:
    """Return the letters of the compared runs that count in a group, and how many other seeds do.

    A run that was repeated with the same seed counts once; every repetition gives the same numbers.
    """
    store, seeds = manager.get_manager().store, {run.seed for run in group.runs}
    members = {
        letters[run]: row.seed
        for run, row in rows.items()
        if row.family == group.runs[0].family and row.seed in seeds and counts(row, is_changed=store.was_adjusted(run))
    }
    more = len(seeds - set(members.values()))
    if not members:
        return f"{more} other seed{'s' * (more > 1)} of these settings"
    return ", ".join(members) + (f" and {more} more seed{'s' * (more > 1)}" if more else "")


def counts(row: Run, *, is_changed: bool) -> bool:
    """Whether a run counts in the verdict over the seeds of its family."""
    return row.state == manager.COMPLETED and bool(row.test) and not is_changed


def _left_out(rows: dict[str, Run], letters: dict[str, str]) -> str:
    """Return a sentence on the compared runs that count in no group."""
    store, reasons = manager.get_manager().store, []
    for run, row in rows.items():
        is_changed = store.was_adjusted(run)
        if not counts(row, is_changed=is_changed):
            reasons.append(f"{letters[run]} ({'changed by hand' if is_changed else row.state})")
    verb = "does" if len(reasons) == 1 else "do"
    return f"{' and '.join(reasons)} {verb} not count. " if reasons else ""


def _table_row(group: SeedGroup, name: str) -> dict[str, Any]:
    return {
        "group": name,
        "seeds": len(group.runs),
        **_mean_columns(f"{roles.title(group.comparison.role)}, %", group.student),
        **_mean_columns(f"{roles.title(group.comparison.control)}, %", group.control),
        **_mean_columns("difference, % points", group.gain),
        "p": group.verdict.p_value,
        "verdict": group.verdict.sentence,
    }


def _mean_columns(name: str, mean: Mean | None) -> dict[str, float | None]:
    low, high = mean.interval if mean and mean.interval else (None, None)
    return {name: mean.value if mean else None, f"{name}: from": low, f"{name}: to": high}
