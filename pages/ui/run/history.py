"""Stored runs: one in a line of words, how it ended, and the way back to earlier ones."""

from __future__ import annotations

import datetime
import functools

import streamlit as st

from kd_core.config.recipe import TeacherRecipe
from kd_core.config.run import DEFAULTS, RunConfig
from kd_core.runs import manager
from kd_core.schemes import plan_of
from kd_core.store.queries import RunQueries
from kd_core.store.store import Run
from pages.ui.app import startup_notices
from pages.ui.app.actions import action_button, actions
from pages.ui.run import annotations as labels
from pages.ui.run import trash
from pages.ui.run.frames import run_frames
from pages.ui.text import plan
from pages.ui.text.escape import escape_markdown
from pages.ui.text.summaries import method_summary

SHOWN = 12


def describe_run(row: Run) -> str:
    """What a run is about: data, the networks that take part, method, seed."""
    return _in_a_line(row.available_config or row.config)


@functools.lru_cache(maxsize=256)
def _in_a_line(config: RunConfig) -> str:
    arranged = f"{config.scheme.title} · " if config.scheme.name != DEFAULTS["scheme"] else ""
    networks = plan.describe_networks(config)
    return f"{arranged}{config.dataset.title} · {networks} · {method_summary(config.method)} · seed {config.seed}"


def outcome(row: Run) -> None:
    """A sentence for every end but the usual one, and what can be done about it."""
    shown = run_frames(row.id)
    startup_notices.show_notice(row.id)
    if row.state == manager.FAILED and shown.failed is not None:
        failed = shown.failed
        cure = "" if failed.part in ("memory", "network") else " A smaller learning rate is the usual cure."
        st.error(f"Training stopped: {escape_markdown(failed.message)}{cure}")
        if failed.batch_size:
            retry(row, failed.batch_size, failed.phase)
    elif row.state == manager.FAILED:
        st.error("Training stopped because of an error in the engine. The details are in the server’s log.")
    elif row.state in (manager.STOPPED, manager.INTERRUPTED):
        said = (
            "You stopped this run. What it had learned until then was judged and kept."
            if row.state == manager.STOPPED
            else "The app was closed in the middle of this run. Nothing is lost: it can go on where it was."
        )
        st.info(said)
        if action_button("Go on with it", icon=":material/play_arrow:", key="proceed"):
            actions().resume_from_checkpoint(row.id)
            st.rerun()


def retry(row: Run, size: int, phase: str) -> None:
    """One click for who ran out of memory: the same run with batches that fit."""
    recipe = next(own.recipe for own in plan_of(row.config) if own.name == phase)
    setting = "teacher_batch_size" if isinstance(recipe, TeacherRecipe) else "batch_size"
    if action_button(f"Train again with batches of {size}", icon=":material/memory:", type="primary", key="retry"):
        run = actions().start(row.config.with_flat(**{setting: size}))
        st.query_params["run"] = run
        st.rerun()


def earlier(current: Run | None) -> None:
    """Interrupted runs, links to the pinned and the newest ones, and the way back to deleted ones."""
    startup_notices.show_interrupted(but=current.id if current else "")
    store = manager.get_manager().store
    pinned = RunQueries(store).pinned(SHOWN)
    newest = [row for row in store.runs(SHOWN) if not row.annotations.is_pinned]
    rows = [row for row in [*pinned, *newest] if row.available_config and (current is None or row.id != current.id)]
    if rows:
        _links(rows)
    trash.bin_()


def _links(rows: list[Run]) -> None:
    with st.expander(f"Earlier runs ({len(rows)})", icon=":material/history:"):
        for row in rows:
            when = datetime.datetime.fromtimestamp(row.created).strftime("%d %b, %H:%M")
            about = escape_markdown(labels.display_name(row, f"{when} · {describe_run(row)} · {row.state}"))
            st.page_link(
                "pages/distill.py",
                label=about + labels.badges(row.annotations.tags),
                icon=":material/keep:" if row.annotations.is_pinned else None,
                query_params={"run": row.id},  # which brings its settings along
            )
