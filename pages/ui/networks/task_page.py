"""Runs that a page on one task shows, and the button that trains the first one."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from kd_core.analysis.replay import unusable_reason
from kd_core.config.run import RunConfig, from_flat
from kd_core.runs import manager
from kd_core.store.store import Run
from pages.ui.app.actions import action_button, actions
from pages.ui.run import trash
from pages.ui.run.run_picker import select_run
from pages.ui.widgets.text.summaries import run_title

MAX_RUNS = 60  # newest runs among which those of the task are offered


@dataclass(frozen=True)
class TaskRuns:
    """Runs of one task on its page.

    Attributes:
        page: Of the task, as :attr:`kd_core.tasks.Task.page`.
        misfit: What the networks of another run do not do, as "do not write".
        dataset: Of the first run, which uses the settings that this data set recommends.
        first: What the first run does and how long it takes, sentences.
        button: The button that starts it.
        way_on: What else to do than to choose another run, as "train a small detector".
    """

    page: str
    misfit: str
    dataset: str
    first: str
    button: str
    way_on: str

    def selected(self) -> Run | None:
        """Return the run of the link or else the newest one that fits; draw why there is none and return None."""
        linked = st.query_params.get("run")
        row = manager.get_manager().store.run(linked) if linked else next(iter(self._newest()), None)
        if linked and row is None:
            trash.show_missing(linked)
        elif row and not row.is_readable:
            st.error("This run uses a method, network or data set that is not installed here. Choose another run.")
        elif row and row.config.dataset.task.page != self.page:
            st.info(
                f"The networks of this run {self.misfit}: they were trained on {row.config.dataset.title}. Choose "
                f"another run, or {self.way_on}."
            )
        elif row and (reason := unusable_reason(row.config)):
            st.error(reason)
        elif row:
            return row
        st.markdown(self.first)
        if action_button(self.button, type="primary", icon=":material/play_arrow:", key="first run"):
            start(from_flat({"dataset": self.dataset}))
        self.picker(None)
        return None

    def picker(self, row: Run | None) -> None:
        """Draw a select box of the newest runs that fit."""
        rows = self._newest()
        if row and row.id not in {other.id for other in rows}:
            rows.append(row)
        select_run(row, {other.id: f"{run_title(other)} · {other.id[:4]}" for other in rows})

    def end(self, row: Run) -> None:
        """Draw the end of the page, the select box and a link to the run in Distill."""
        self.picker(row)
        st.page_link(
            "pages/distill.py", label="Open this run in Distill, with its curves and settings",
            icon=":material/science:", query_params={"run": row.id},
        )  # fmt: skip

    def _newest(self) -> list[Run]:
        rows = manager.get_manager().store.runs(MAX_RUNS)
        return [row for row in rows if (config := row.available_config) and config.dataset.task.page == self.page]


def start(config: RunConfig) -> None:
    """Start a run and show it."""
    st.query_params.from_dict({"run": actions().start(config)})
    st.rerun()
