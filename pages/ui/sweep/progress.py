"""Progress and results of a sweep, with its controls while it trains, and links to earlier sweeps."""

from __future__ import annotations

import datetime

import streamlit as st

from kd_core.analysis import sweep_results
from kd_core.analysis.sweep_results import SweepResults
from kd_core.base.marks import percent
from kd_core.runs import manager
from kd_core.runs.manager import Status
from kd_core.store.queries import RunQueries
from kd_core.store.records import LatestEvaluation
from kd_core.store.store import SweepRow
from pages.ui.app import startup_notices
from pages.ui.app.actions import action_button, actions, send_command
from pages.ui.app.errors import catch_errors
from pages.ui.sweep import cell_panel, heatmap, slices
from pages.ui.sweep.form import format_duration
from pages.ui.sweep.settings import SweepOptions, cell_key
from pages.ui.widgets.text.durations import queue_position
from pages.ui.widgets.text.escape import escape_markdown
from pages.ui.widgets.text.summaries import describe_sweep

POLL = 1.0  # seconds
MAX_REDRAWS = 8  # of the map while all cells of a sweep are trained at once
EARLIER = 12  # sweeps with a link


def follow(row: SweepRow, options: SweepOptions) -> None:
    """Draw the sweep, again every second while it trains."""
    is_active = row.state in manager.ACTIVE
    st.caption(escape_markdown(describe_sweep(row)))
    is_repeated = is_active or startup_notices.has_notice(row.id)
    st.fragment(catch_errors(_draw), run_every=POLL if is_repeated else None, key=f"sweep {row.id}")(
        row, options, is_active
    )


def earlier(current: str) -> None:
    """Draw links to the newest sweeps but the ``current`` one."""
    labels = {}
    for row in manager.get_manager().store.sweeps(100):
        try:
            if row.id != current and row.plan.axes:
                when = datetime.datetime.fromtimestamp(row.created).strftime("%d %b, %H:%M")
                kind = "Search: " if row.is_search else ""
                labels[row.id] = f"{when} · {kind}{escape_markdown(describe_sweep(row))} · {row.state}"
        except ValueError:  # it needs something that this installation does not have
            continue
        if len(labels) == EARLIER:
            break
    if not labels:
        return
    with st.expander(f"Earlier sweeps ({len(labels)})", icon=":material/history:"):
        for sweep, label in labels.items():
            st.page_link("pages/sweep.py", label=label, query_params={"sweep": sweep})


def _draw(row: SweepRow, options: SweepOptions, was_active: bool) -> None:
    status = manager.get_manager().status(row.id)
    if status is None or status.is_active != was_active:
        st.rerun()
    options = options.with_values(**{name: st.query_params.get(name, "") for name in ("cell", "confirmed")})
    results = _results(row, status)
    _state(row, status, results)
    cells = {cell_key(cell.values): cell for cell in results.cells}
    if options.cell and options.cell not in cells:
        st.warning("The link names a cell that this sweep does not have. The best cell is shown instead.")
    selected = cells.get(options.cell) or results.best or results.cells[0]
    if heatmap.is_list(results):
        heatmap.numbers(results, row.id, is_active=status.is_active, is_open=True)
    elif row.sweep.axes:
        heatmap.maps(results, row.id, selected, is_active=status.is_active)
        st.markdown("Click a cell, or choose it here:")
    else:
        heatmap.numbers(results, row.id, is_active=status.is_active)
    if row.sweep.axes:
        cell_panel.cell_picker(results, selected)
    cell_panel.panel(results, selected, options, is_active=status.is_active)
    if options.cell or not status.is_active:  # during training the best cell keeps changing
        slices.slices(results, row.id, selected)


def steer(row: SweepRow, status: Status) -> None:
    """Draw buttons to pause and stop a sweep or search that is queued or training."""
    with st.container(horizontal=True, key="steer sweep"):
        if status.state == manager.PAUSED:
            action_button(
                "Resume", icon=":material/play_arrow:", key="resume", on_click=send_command, args=("resume", row.id)
            )
        else:
            action_button("Pause", icon=":material/pause:", key="pause", on_click=send_command, args=("pause", row.id))
        action_button(
            "Stop and keep", icon=":material/stop:", key="stop", on_click=send_command, args=("stop", row.id),
            help="Ends it now. Every run is evaluated and kept as it is.",
        )  # fmt: skip


def resume_button(row: SweepRow) -> None:
    """Draw the button that resumes a stopped or interrupted sweep or search."""
    if action_button("Resume", icon=":material/play_arrow:", key="proceed"):
        actions().resume_from_checkpoint(row.id)
        st.rerun()


def _results(row: SweepRow, status: Status) -> SweepResults:
    """Return the results as last drawn unless a cell was filled or completed, or an eighth of the training is done.

    Plotly rebuilds a chart at every change.
    """
    evaluations = _evaluations(row)
    results = sweep_results.collect_results(row.sweep, evaluations)
    if not status.is_active:
        return results
    progress = MAX_REDRAWS * status.done // max(1, status.total)
    version = (row.id, status.state, results.filled, results.complete, progress)
    drawn: tuple[object, SweepResults] | None = st.session_state.get("drawn map")
    if drawn is None or drawn[0] != version:
        st.session_state["drawn map"] = drawn = (version, results)
    return drawn[1]


def _evaluations(row: SweepRow) -> list[LatestEvaluation]:
    """Return the latest evaluation of every run, of the networks that its scheme compares."""
    queries, seeds = RunQueries(manager.get_manager().store), len(row.sweep.seeds)
    pairs = [(comparison.role, comparison.control) for comparison in row.sweep.comparisons()]
    by_pair = {pair: queries.latest_evaluations(row.id, *pair) for pair in set(pairs)}
    count = len(next(iter(by_pair.values())))
    return [by_pair[pairs[min(number // seeds, len(pairs) - 1)]][number] for number in range(count)]


def _state(row: SweepRow, status: Status, results: SweepResults) -> None:
    """Draw the state of the sweep, and buttons to pause, stop or resume it."""
    if status.is_active:
        st.progress(min(1.0, status.done / max(1, status.total)), _progress_text(status, results))
        steer(row, status)
    elif status.state in (manager.STOPPED, manager.INTERRUPTED):
        reason = "You stopped this sweep" if status.state == manager.STOPPED else "The app was closed during this sweep"
        reason = "This sweep was interrupted" if status.notice else reason  # the notice gives the cause
        st.info(
            f"{reason}: {results.complete} of {len(results.cells)} cells are complete, {_epochs(results)}. "
            "The training so far is kept, and the sweep can be resumed."
        )
        resume_button(row)
    elif status.state == manager.FAILED:
        st.error(
            "This sweep ended because of an error in the engine. The details are in the server’s log; the results "
            "up to then are below."
        )
    else:
        st.markdown(f"All {row.sweep.count:,} runs are complete, after {format_duration(row.seconds)} of training.")
    startup_notices.show_notice(row.id)
    if results.failed:
        st.warning(
            f"{results.failed} of {row.sweep.count:,} runs failed and are left out; their cells show the other runs. "
            "A smaller learning rate usually helps."
        )


def _progress_text(status: Status, results: SweepResults) -> str:
    if status.state == manager.QUEUED:
        return queue_position(status)
    state = "Paused" if status.state == manager.PAUSED else "Training"
    state += f" on {status.device}" if status.device else ""
    if not status.done:
        return f"{state}: preparing the data and the teacher · {format_duration(status.seconds)} elapsed"
    cells = f"{results.filled} of {len(results.cells)} cells filled, {results.complete} complete"
    left = sweep_results.remaining(status.done, status.total, status.seconds)
    times = f"{format_duration(status.seconds)} elapsed, about {format_duration(left or 0)} left"
    return f"{state}: {percent(status.done / max(1, status.total), 0)} · {cells} · {_epochs(results)} · {times}"


def _epochs(results: SweepResults) -> str:
    low, high = results.epochs
    return f"the map is at epoch {high:,}" if low == high else f"the map is at epochs {low:,} to {high:,}"
