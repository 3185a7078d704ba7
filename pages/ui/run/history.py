"""Description and outcome of a run, and links to earlier runs and sweeps."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Sequence

import streamlit as st

from kd_core.config.recipe import TeacherRecipe
from kd_core.config.run import DEFAULTS, RunConfig
from kd_core.runs import manager
from kd_core.schemes import plan_of
from kd_core.store.queries import RunQueries
from kd_core.store.records import PRUNED
from kd_core.store.store import Run, SweepRow
from pages.ui.app import startup_notices
from pages.ui.app.actions import action_button, actions
from pages.ui.run import annotations as run_annotations
from pages.ui.run import trash
from pages.ui.run.frames import run_frames
from pages.ui.widgets.text import plan
from pages.ui.widgets.text.escape import escape_markdown
from pages.ui.widgets.text.summaries import describe_sweep, method_summary

MAX_LINKS = 12  # to pinned and to newest runs each


def describe_run(row: Run) -> str:
    """Return a run's scheme, data set, networks, method and seed in one line."""
    return _describe(row.available_config or row.config)


@functools.lru_cache(maxsize=256)
def _describe(config: RunConfig) -> str:
    scheme = f"{config.scheme.title} · " if config.scheme.name != DEFAULTS["scheme"] else ""
    networks = plan.describe_networks(config)
    return f"{scheme}{config.dataset.title} · {networks} · {method_summary(config.method)} · seed {config.seed}"


def outcome(row: Run) -> None:
    """Show why a run was not completed, with a button that resumes or repeats it."""
    failed = run_frames(row.id).failed
    startup_notices.follow_notice(row.id)
    if row.state == manager.FAILED and failed is not None:
        advice = "" if failed.part in ("memory", "network") else " A smaller learning rate usually helps."
        st.error(f"Training stopped: {escape_markdown(failed.message)}{advice}")
        if failed.batch_size:
            retry(row, failed.batch_size, failed.phase)
    elif row.state == manager.FAILED:
        st.error("Training stopped because of an error in the engine. The details are in the server’s log.")
    elif row.state == PRUNED:
        st.info("This run was ended early, since other trials of its search were better. Its networks are kept.")
        st.page_link(
            "pages/sweep.py", label="Open the search", icon=":material/search:", query_params={"sweep": row.sweep}
        )
    elif row.state in (manager.STOPPED, manager.INTERRUPTED):
        # The notice, if there is one, gives the cause.
        has_cause = startup_notices.has_notice(row.id)
        cause = "This run was interrupted." if has_cause else "The app was closed during this run."
        st.info(
            "This run was stopped. Its networks were evaluated on the test set and kept."
            if row.state == manager.STOPPED
            else f"{cause} It can be resumed from its last checkpoint."
        )
        if action_button("Resume its sweep" if row.sweep else "Resume", icon=":material/play_arrow:", key="proceed"):
            actions().resume_from_checkpoint(row.sweep or row.id)
            st.rerun()


def retry(row: Run, size: int, phase: str) -> None:
    """Draw a button that repeats a run that was out of memory, with batches of ``size`` examples in that phase."""
    recipe = next(member.recipe for member in plan_of(row.config) if member.name == phase)
    setting = "teacher_batch_size" if isinstance(recipe, TeacherRecipe) else "batch_size"
    if action_button(f"Train again with batch size {size}", icon=":material/memory:", type="primary", key="retry"):
        run = actions().start(row.config.with_flat(**{setting: size}))
        st.query_params["run"] = run
        st.rerun()


def earlier(current: Run | None) -> None:
    """Draw links to interrupted, pinned and recent runs and sweeps, and the list of deleted runs."""
    startup_notices.show_interrupted(exclude=current.id if current else "")
    store = manager.get_manager().store
    pinned = RunQueries(store).pinned(MAX_LINKS)
    newest = [row for row in store.runs(MAX_LINKS) if not row.annotations.is_pinned]
    runs = [row for row in newest if row.available_config and (current is None or row.id != current.id)]
    both: list[Run | SweepRow] = [*runs, *(row for row in store.sweeps(MAX_LINKS) if row.is_readable)]
    recent = sorted(both, key=lambda row: row.created, reverse=True)[:MAX_LINKS]
    first = [row for row in pinned if row.available_config and (current is None or row.id != current.id)]
    if rows := [*first, *recent]:
        _links(rows)
    trash.bin_()


def _links(rows: Sequence[Run | SweepRow]) -> None:
    """Draw a link to each run, and to each sweep, whose page opens to its runs."""
    with st.expander(f"Earlier runs ({len(rows)})", icon=":material/history:"):
        for row in rows:
            when = datetime.datetime.fromtimestamp(row.created).strftime("%d %b, %H:%M")
            if isinstance(row, SweepRow):
                page, parameter, icon = "pages/sweep.py", "sweep", ":material/grid_on:"
                kind = "Search" if row.is_search else "Sweep"
                what = f"{kind} of {row.plan.count:,} runs: {describe_sweep(row)}"
            else:  # the form then shows the settings of the run
                page, parameter, icon, what = "pages/distill.py", "run", None, describe_run(row)
            name = escape_markdown(run_annotations.display_name(row, f"{when} · {what} · {row.state}"))
            st.page_link(
                page,
                label=name + run_annotations.badges(row.annotations.tags),
                icon=":material/keep:" if row.annotations.is_pinned else icon,
                query_params={parameter: row.id},
            )
