"""Run of the Language page, or the button that trains the first one."""

from __future__ import annotations

import streamlit as st

from kd_core.analysis.replay import unusable_reason
from kd_core.config.run import RunConfig, from_flat
from kd_core.runs import manager
from kd_core.store.store import Run
from pages.ui.app.actions import action_button, actions
from pages.ui.run import trash
from pages.ui.widgets import keys
from pages.ui.widgets.text.summaries import run_title

DATASET = "python_docs"  # the first run uses the settings that this data set recommends
MAX_RUNS = 60  # newest runs among which those that write are offered


def selected_run() -> Run | None:
    """Return the run of the link or else the newest one that writes; draw why there is none and return None."""
    store = manager.get_manager().store
    linked = st.query_params.get("run")
    row = store.run(linked) if linked else next(iter(_writing_runs()), None)
    if linked and row is None:
        trash.show_missing(linked)
    elif row and not row.is_readable:
        st.error("This run uses a method, network or data set that is not installed here. Choose another run.")
    elif row and not row.config.dataset.task.can_write:
        st.info(
            f"The networks of this run do not write: they were trained on {row.config.dataset.title}. Choose another "
            "run, or train a small language model."
        )
    elif row and (reason := unusable_reason(row.config)):
        st.error(reason)
    elif row:
        return row
    first_run()
    run_picker(None)
    return None


def first_run() -> None:
    """Draw the button that trains the recommended run."""
    st.markdown(
        "A teacher of about 100,000 parameters reads the help texts of Python, character by character. A student with "
        "2,000 then learns from it, and the baseline from the text alone. This takes about a minute."
    )
    if action_button("Train a small language model", type="primary", icon=":material/play_arrow:", key="first run"):
        start(from_flat({"dataset": DATASET}))


def start(config: RunConfig) -> None:
    """Start a run and show it."""
    st.query_params.from_dict({"run": actions().start(config)})
    st.rerun()


def run_picker(row: Run | None) -> None:
    """Draw a select box of the newest runs that write."""
    rows = _writing_runs()
    if row and row.id not in {other.id for other in rows}:
        rows.append(row)
    if not rows:
        return
    names = {other.id: f"{run_title(other)} · {other.id[:4]}" for other in rows}
    current = row.id if row else None
    st.selectbox(
        "Run", list(names), list(names).index(current) if current else None, key=keys.key("writing run", current),
        format_func=lambda run: names[str(run)], on_change=_choose, placeholder="Choose a run",
    )  # fmt: skip


def _choose() -> None:
    if (run := keys.current_value("writing run")) != st.query_params.get("run"):
        st.query_params.from_dict({"run": run})


def _writing_runs() -> list[Run]:
    rows = manager.get_manager().store.runs(MAX_RUNS)
    return [row for row in rows if (config := row.available_config) and config.dataset.task.can_write]
