"""Run of the Detection page, or the button that trains the first one."""

from __future__ import annotations

import streamlit as st

from kd_core.analysis.replay import unusable_reason
from kd_core.config.run import from_flat
from kd_core.runs import manager
from kd_core.store.store import Run
from kd_core.tasks.detection import CELL
from pages.ui.app.actions import action_button, actions
from pages.ui.run import trash
from pages.ui.widgets import keys
from pages.ui.widgets.text.summaries import run_title

DATASET = "shapes"  # the first run uses the settings that this data set recommends
MAX_RUNS = 60  # newest runs among which detectors are offered


def selected_run() -> Run | None:
    """Return the run of the link or else the newest one of detectors; draw why there is none and return None."""
    store = manager.get_manager().store
    linked = st.query_params.get("run")
    row = store.run(linked) if linked else next(iter(_runs()), None)
    if linked and row is None:
        trash.show_missing(linked)
    elif row and not row.is_readable:
        st.error("This run uses a method, network or data set that is not installed here. Choose another run.")
    elif row and row.config.dataset.task.outputs != CELL:
        st.info(
            f"The networks of this run find no objects: they were trained on {row.config.dataset.title}. Choose "
            "another run, or train a small detector."
        )
    elif row and (reason := unusable_reason(row.config)):
        st.error(reason)
    elif row:
        return row
    _first_run()
    run_picker(None)
    return None


def _first_run() -> None:
    st.markdown(
        "A teacher of about 100,000 parameters learns to find circles, squares, triangles and rings in noisy scenes. A "
        "student a quarter as large then learns from it and from a few labelled scenes, the baseline from these scenes "
        "alone. This takes about two minutes."
    )
    if action_button("Train a small detector", type="primary", icon=":material/play_arrow:", key="first run"):
        st.query_params.from_dict({"run": actions().start(from_flat({"dataset": DATASET}))})
        st.rerun()


def run_picker(row: Run | None) -> None:
    """Draw a select box of the newest runs of detectors."""
    rows = _runs()
    if row and row.id not in {other.id for other in rows}:
        rows.append(row)
    if not rows:
        return
    names = {other.id: f"{run_title(other)} · {other.id[:4]}" for other in rows}
    current = row.id if row else None
    st.selectbox(
        "Run", list(names), list(names).index(current) if current else None, key=keys.key("detecting run", current),
        format_func=lambda run: names[str(run)], on_change=_choose, placeholder="Choose a run",
    )  # fmt: skip


def _choose() -> None:
    if (run := keys.current_value("detecting run")) != st.query_params.get("run"):
        st.query_params.from_dict({"run": run})


def _runs() -> list[Run]:
    rows = manager.get_manager().store.runs(MAX_RUNS)
    return [row for row in rows if (config := row.available_config) and config.dataset.task.outputs == CELL]
