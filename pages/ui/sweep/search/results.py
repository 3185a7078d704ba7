"""Progress and results of a search, with what it tried, why it ended, and the confirmed verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from kd_core.base.marks import percent, points, unbroken
from kd_core.config.sweep import titles, value_title
from kd_core.runs import manager
from kd_core.runs.manager import Status
from kd_core.runs.sweeps.search_results import SearchResults, Trial, collect_search
from kd_core.store.store import SweepRow
from pages.ui.app import startup_notices
from pages.ui.app.errors import catch_errors
from pages.ui.run.result.verdict import ICONS
from pages.ui.sweep.form import format_duration
from pages.ui.sweep.progress import POLL, resume_button, steer
from pages.ui.sweep.search import trial_charts
from pages.ui.widgets import tables
from pages.ui.widgets.text.durations import queue_position
from pages.ui.widgets.text.escape import escape_markdown
from pages.ui.widgets.text.summaries import describe_sweep


def follow(row: SweepRow) -> None:
    """Draw the search, again every second while it trains."""
    is_active = row.state in manager.ACTIVE
    st.caption(escape_markdown(describe_sweep(row)))
    is_repeated = is_active or startup_notices.has_notice(row.id)
    st.fragment(catch_errors(_draw), run_every=POLL if is_repeated else None, key=f"search {row.id}")(row, is_active)


def _draw(row: SweepRow, was_active: bool) -> None:
    runs = manager.get_manager()
    status = runs.status(row.id)
    if status is None or status.is_active != was_active:
        st.rerun()
    current = runs.store.sweep(row.id)
    results = collect_search(runs.store, current or row)
    names = titles(row.config)
    _state(row, status, results)
    _verdict(results, names)
    if any(trial.has_ended for trial in results.trials):
        trial_charts.charts_of(results, row.id, names)
        _table(results, row.id, names)


def _state(row: SweepRow, status: Status, results: SearchResults) -> None:
    """Draw the state of the search and why it ended, and buttons to pause, stop or resume it."""
    if status.is_active:
        st.progress(min(1.0, status.done / max(1, status.total)), _progress_text(status, results))
        steer(row, status)
    elif status.state == manager.FAILED:
        st.error(escape_markdown(results.reason))
    else:
        spent = f" It trained for {format_duration(row.seconds)}." if row.seconds else ""
        st.markdown(f"**Why it ended:** {escape_markdown(results.reason)}{spent}")
        if status.state in (manager.STOPPED, manager.INTERRUPTED):
            resume_button(row)
    startup_notices.show_notice(row.id)


def _progress_text(status: Status, results: SearchResults) -> str:
    if status.state == manager.QUEUED:
        return queue_position(status)
    state = "Paused" if status.state == manager.PAUSED else "Training"
    if results.confirmation:
        return f"{state}: the best trial with {len(results.confirmation)} new seeds"
    ended = sum(trial.has_ended for trial in results.trials)
    best = f" · best so far {percent(results.best.accuracy or 0.0)}" if results.best else ""
    left = f", about {format_duration(status.remaining)} left" if status.remaining else ""
    return (
        f"{state}: {ended} of at most {results.search.trials} trials ended{best} · "
        f"{format_duration(status.seconds)} elapsed{left}"
    )


def _verdict(results: SearchResults, names: Mapping[str, str]) -> None:
    """Draw the best trial and, once it is confirmed, the verdict on it over seeds that no trial had."""
    best = results.best
    if best is None:
        return
    with st.container(border=True, key="test verdict"):
        st.markdown(f"**Best of {len(results.trials)} trials: {escape_markdown(trial_title(best, names))}**")
        gain = "" if best.cell.gain is None else f", {points(best.cell.gain)} over its baseline"
        st.markdown(f"Validation accuracy {percent(best.accuracy or 0.0)}{gain}, over {len(best.runs)} seeds.")
        if verdict := results.verdict:
            st.markdown(f"{ICONS.get(verdict.outcome, ':material/balance:')} {unbroken(verdict.sentence)}")
            st.caption(
                f"Tested with {len(results.confirmation)} seeds that no trial had: the best of many on validation is "
                "partly luck, which new seeds do not share."
            )
        else:
            st.caption("Once the search ends, it is trained again with new seeds, and these are tested.")
        with st.container(horizontal=True, key="links of the best"):
            st.page_link(
                "pages/distill.py", label="Use these settings in Distill", icon=":material/tune:",
                query_params=best.config.differences(),
            )  # fmt: skip
            for run in results.confirmation[:1] or best.runs[:1]:
                st.page_link(
                    "pages/inspect.py", label=f"Inspect seed {run.seed}", icon=":material/frame_inspect:",
                    query_params={"run": run.id},
                )  # fmt: skip
            ended = [run.id for run in results.confirmation if run.state == manager.COMPLETED]
            if len(ended) > 1:
                st.page_link(
                    "pages/compare.py", label="Compare the new seeds", icon=":material/compare_arrows:",
                    query_params={"runs": ",".join(ended)},
                )  # fmt: skip


def trial_title(trial: Trial, names: Mapping[str, str]) -> str:
    """Return the values of a trial in words, as "Temperature T 4, Teacher weight α 0.9"."""
    values = (f"{names.get(name, name)} {value_title(name, value)}" for name, value in trial.values.items())
    return ", ".join(values)


def _table(results: SearchResults, name: str, names: Mapping[str, str]) -> None:
    """Draw every trial as a table, the best first, and offer it as a file."""
    ordered = sorted(results.trials, key=lambda trial: (trial.state == manager.COMPLETED, trial.accuracy or -1.0))
    rows = [_row(trial, results, names) for trial in reversed(ordered)]
    st.subheader("What it tried")
    decimal: Any = st.column_config.NumberColumn(format="%.2f")
    columns = dict.fromkeys(("accuracy, %", "baseline, %", "gain"), decimal)
    tables.table(rows, alt=f"Every trial of the search: {len(rows)} rows.", **columns)
    tables.download(lambda: rows, f"search {name}")


def _row(trial: Trial, results: SearchResults, names: Mapping[str, str]) -> dict[str, Any]:
    values = {
        names.get(each.option, each.option): value_title(each.option, trial.values[each.option])
        if each.option in trial.values
        else None
        for each in results.search.dimensions
    }
    cell = trial.cell
    return {
        "trial": trial.number + 1, **values, "state": trial.state, "accuracy, %": cell.mean,
        "baseline, %": cell.control, "gain": cell.gain, "epoch": cell.epochs[1],
        "best": "★" if trial is results.best else "",
    }  # fmt: skip
