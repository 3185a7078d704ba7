"""A sweep while it trains and afterwards: how far it is, what can be done to it, and everything that it found."""

from __future__ import annotations

import datetime

import streamlit as st

from kd_core.analysis import sweep_results
from kd_core.analysis.sweep_results import SweepResults
from kd_core.config import sweep
from kd_core.runs import manager
from kd_core.runs.manager import Status
from kd_core.schemes import comparison_of
from kd_core.store.queries import RunQueries
from kd_core.store.store import SweepRow
from pages.ui.app import startup_notices
from pages.ui.app.actions import action_button, actions, send_command
from pages.ui.app.errors import catch_errors
from pages.ui.sweep import cell_panel, heatmap, slices
from pages.ui.sweep.form import format_duration
from pages.ui.sweep.url_state import SweepOptions, cell_key
from pages.ui.text import plan
from pages.ui.text.durations import queue_position
from pages.ui.text.escape import escape_markdown

POLL = 1.0  # seconds
MOMENTS = 8  # of a sweep at which the map is drawn while all of its cells learn at once
EARLIER = 12


def follow(row: SweepRow, view: SweepOptions) -> None:
    """The sweep, drawn again every second as long as it trains."""
    is_active = row.state in manager.ACTIVE
    st.caption(describe_sweep(row))
    st.fragment(catch_errors(_draw), run_every=POLL if is_active else None, key=f"sweep {row.id}")(row, view, is_active)


def _draw(row: SweepRow, view: SweepOptions, was_active: bool) -> None:
    status = manager.get_manager().status(row.id)
    if status is None or status.is_active != was_active:
        st.rerun()
    view = view.with_values(**{name: st.query_params.get(name, "") for name in ("cell", "confirmed")})
    found = _charted(row, status)
    _said(row, status, found)
    known = {cell_key(own.values): own for own in found.cells}
    if view.cell and view.cell not in known:
        st.warning("The link names a cell that this sweep does not have. The best one is shown instead.")
    chosen = known.get(view.cell) or found.best or found.cells[0]
    if row.sweep.axes:
        heatmap.maps(found, row.id, chosen)
        st.markdown("Click a cell, or choose it here:")
        cell_panel.cell_picker(found, chosen)
    else:
        heatmap.numbers(found, row.id)
    cell_panel.panel(found, chosen, view, is_active=status.is_active)
    if view.cell or not status.is_active:  # of a best cell that changes all the time they would say nothing
        slices.slices(found, row.id, chosen)


def _charted(row: SweepRow, status: Status) -> SweepResults:
    """The map as last drawn, unless a cell was filled or ended since, or an eighth of the training was done: Plotly
    builds a chart anew at every change."""
    of = comparison_of(row.config)
    fresh = sweep_results.collect_results(
        row.sweep, RunQueries(manager.get_manager().store).latest_evaluations(row.id, of.role, of.control)
    )
    mark = (status.state, fresh.filled, fresh.complete, MOMENTS * status.done // max(1, status.total))
    if not status.is_active:
        return fresh
    before = st.session_state.get("drawn map")
    if before is None or before[:2] != (row.id, mark):
        st.session_state["drawn map"] = before = (row.id, mark, fresh)
    drawn: SweepResults = before[2]
    return drawn


def _said(row: SweepRow, status: Status, found: SweepResults) -> None:
    """How far it is and what can be done: pause, stop, go on."""
    if status.is_active:
        st.progress(min(1.0, status.done / max(1, status.total)), _how_far(status, found))
        with st.container(horizontal=True, key="steer sweep"):
            if status.state == manager.PAUSED:
                action_button(
                    "Resume", icon=":material/play_arrow:", key="resume", on_click=send_command, args=("resume", row.id)
                )
            else:
                action_button(
                    "Pause", icon=":material/pause:", key="pause", on_click=send_command, args=("pause", row.id)
                )
            action_button("Stop and keep", icon=":material/stop:", key="stop", on_click=send_command,
                   args=("stop", row.id),
                   help="Ends the sweep here. What every run has learned is judged and kept.")  # fmt: skip
    elif status.state in (manager.STOPPED, manager.INTERRUPTED):
        how = "You stopped this sweep" if status.state == manager.STOPPED else "The app was closed during this sweep"
        how = "This sweep was interrupted" if status.notice else how  # and the notice says by what
        st.info(
            f"{how}: {found.complete} of {len(found.cells)} cells are complete, {_epochs(found)}. What was learned is "
            "kept, and the sweep can go on where it was."
        )
        if action_button("Go on with it", icon=":material/play_arrow:", key="proceed"):
            actions().resume_from_checkpoint(row.id)
            st.rerun()
    elif status.state == manager.FAILED:
        st.error(
            "This sweep ended because of an error in the engine. The details are in the server’s log; what was "
            "learned before is below."
        )
    else:
        st.markdown(f"All {row.sweep.count:,} runs are complete, after {format_duration(row.seconds)} of training.")
    startup_notices.show_notice(row.id)
    if found.failed:
        st.warning(
            f"{found.failed} of {row.sweep.count:,} runs failed and count nowhere; their cells show the others. A "
            "smaller learning rate is the usual cure."
        )


def _how_far(status: Status, found: SweepResults) -> str:
    if status.state == manager.QUEUED:
        return queue_position(status)
    held = "Paused" if status.state == manager.PAUSED else "Training"
    if not status.done:
        return f"{held}: preparing the data and the teacher · {format_duration(status.seconds)} elapsed"
    cells = f"{found.filled} of {len(found.cells)} cells filled, {found.complete} complete"
    left = sweep_results.remaining(status.done, status.total, status.seconds)
    times = f"{format_duration(status.seconds)} elapsed, about {format_duration(left or 0)} left"
    return f"{held}: {status.done / max(1, status.total):.0%} · {cells} · {_epochs(found)} · {times}"


def _epochs(found: SweepResults) -> str:
    low, high = found.epochs
    return f"the map is at epoch {high:,}" if low == high else f"the map is at epochs {low:,} to {high:,}"


def describe_sweep(row: SweepRow) -> str:
    """What was swept: options and values, data, networks, method."""
    base, names = row.config, sweep.titles(row.config)
    varied = " × ".join(f"{names.get(axis.option, axis.option)} ({', '.join(axis.values[:6])}"
                        + (", …)" if len(axis.values) > 6 else ")") for axis in row.sweep.axes)  # fmt: skip
    return escape_markdown(
        f"{varied or 'Seeds alone'} · {base.dataset.title} · {plan.describe_networks(base)} · {base.method.title} · "
        f"{len(row.sweep.seeds)} seeds"
    )


def earlier(current: str) -> None:
    """Links to the newest sweeps."""
    rows = []
    for row in manager.get_manager().store.sweeps(100):
        try:
            if row.id != current and row.sweep.axes:
                rows.append((row, describe_sweep(row)))
        except ValueError:  # of something that this installation does not have
            continue
        if len(rows) == EARLIER:
            break
    if not rows:
        return
    with st.expander(f"Earlier sweeps ({len(rows)})", icon=":material/history:"):
        for row, said in rows:
            when = datetime.datetime.fromtimestamp(row.created).strftime("%d %b, %H:%M")
            st.page_link("pages/sweep.py", label=f"{when} · {said} · {row.state}", query_params={"sweep": row.id})
