"""Run of the Segmentation page, or the button that trains the first one."""

from __future__ import annotations

import streamlit as st

from kd_core.analysis.replay import unusable_reason
from kd_core.config.run import RunConfig, from_flat
from kd_core.runs import manager
from kd_core.store.store import Run
from kd_core.tasks.segmentation import PIXEL
from pages.ui.app.actions import action_button, actions
from pages.ui.run import trash
from pages.ui.widgets import keys
from pages.ui.widgets.text.summaries import run_title

DATASET = "scenes"  # the first run uses the settings that this data set recommends
MAX_RUNS = 60  # newest runs among which those of images with masks are offered


def selected_run() -> Run | None:
    """Return the run of the link or else the newest one with masks; draw why there is none and return None."""
    store = manager.get_manager().store
    linked = st.query_params.get("run")
    row = store.run(linked) if linked else next(iter(_segmenting_runs()), None)
    if linked and row is None:
        trash.show_missing(linked)
    elif row and not row.is_readable:
        st.error("This run uses a method, network or data set that is not installed here. Choose another run.")
    elif row and not _segments(row.config):
        st.info(
            f"The networks of this run give no class to pixels: they were trained on {row.config.dataset.title}. "
            "Choose another run, or train small networks on scenes."
        )
    elif row and (reason := unusable_reason(row.config)):
        st.error(reason)
    elif row:
        return row
    _first_run()
    run_picker(None)
    return None


def run_picker(row: Run | None) -> None:
    """Draw a select box of the newest runs of images with masks."""
    rows = _segmenting_runs()
    if row and row.id not in {other.id for other in rows}:
        rows.append(row)
    if not rows:
        return
    names = {other.id: f"{run_title(other)} · {other.id[:4]}" for other in rows}
    current = row.id if row else None
    st.selectbox(
        "Run", list(names), list(names).index(current) if current else None, key=keys.key("segmenting run", current),
        format_func=lambda run: names[str(run)], on_change=_choose, placeholder="Choose a run",
    )  # fmt: skip


def _first_run() -> None:
    st.markdown(
        "A teacher learns from 500 drawn scenes in which every pixel has a class. A student with a fifteenth of its "
        "parameters then learns from 20 of them and from the teacher, and the baseline from the same 20 alone. This "
        "takes one to two minutes."
    )
    if action_button("Train on scenes", type="primary", icon=":material/play_arrow:", key="first run"):
        st.query_params.from_dict({"run": actions().start(from_flat({"dataset": DATASET}))})
        st.rerun()


def _choose() -> None:
    if (run := keys.current_value("segmenting run")) != st.query_params.get("run"):
        st.query_params.from_dict({"run": run})


def _segmenting_runs() -> list[Run]:
    rows = manager.get_manager().store.runs(MAX_RUNS)
    return [row for row in rows if (config := row.available_config) and _segments(config)]


def _segments(config: RunConfig) -> bool:
    return config.dataset.task.outputs == PIXEL
