"""Result of a run in the place where its training was watched, with what to do next."""

from __future__ import annotations

import streamlit as st

from kd_core.base import devices
from kd_core.config.plan import STUDENT
from kd_core.config.run import RunConfig
from kd_core.runs import manager
from kd_core.store.store import Run
from pages.ui.app import settings
from pages.ui.run import history, run_picker
from pages.ui.run.result import take_home, verdict
from pages.ui.widgets.text.escape import escape_markdown


def messages(config: RunConfig, refused: list[str], problem: str = "") -> None:
    """Show what is wrong with the settings and with the link that was opened.

    Args:
        config: the run of the settings.
        refused: messages about invalid settings.
        problem: why a run was not started, if it was tried.
    """
    for line in settings.link_errors():
        st.error(f"This link has an invalid setting, and the default is used instead: {escape_markdown(line)}")
    for line in [*refused, devices.device_error(config.compute.device), problem]:
        if line:
            st.error(escape_markdown(settings.with_labels(line)))


def show(row: Run) -> None:
    """Draw the outcome and the verdict of an ended run, and the three things that people do next."""
    history.outcome(row)
    verdict.show_verdict(row, is_short=True)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="next"):
        verdict.more_seeds(row)
        run_picker.link_to_task_page(row)
        if not run_picker.rows_refusal(row):
            st.page_link(
                "pages/temperature.py", label="Explore the softened outputs", icon=":material/thermostat:",
                query_params={"run": row.id},
            )  # fmt: skip
        if row.state != manager.FAILED and (row.test or {}).get(STUDENT):
            take_home.button(row)
