"""Notices about runs that a shutdown interrupted, and about problems with a run's files."""

from __future__ import annotations

import streamlit as st

from kd_core.base import registry
from kd_core.runs import manager
from pages.ui.app.errors import catch_errors
from pages.ui.widgets.text.escape import escape_markdown

MAX_LINKS = 5
POLL_SECONDS = 1.0


def show_interrupted(exclude: str) -> None:
    """Link to the runs that a shutdown interrupted, except ``exclude``, and report missing or stray files."""
    runs = manager.get_manager()
    rows = [runs.store.run(run) for run in reversed(runs.integrity_report.interrupted) if run != exclude]
    interrupted = [row for row in rows if row and row.available_config and row.state == manager.INTERRUPTED]
    for row in interrupted[:MAX_LINKS]:
        st.page_link(
            "pages/distill.py", label=f"Run {row.id} was interrupted when the app was closed. It can be resumed.",
            icon=":material/resume:", query_params={"run": row.id},
        )  # fmt: skip
    if len(interrupted) > MAX_LINKS:
        st.caption(f"{len(interrupted) - MAX_LINKS} more runs were interrupted; Compare lists all runs.")
    for sentence in (*runs.integrity_report.sentences, *registry.problems()):
        st.caption(escape_markdown(sentence))


def has_notice(run: str) -> bool:
    """Return whether something went wrong around a run, such as a full disk or a damaged checkpoint."""
    status = manager.get_manager().status(run)
    return status is not None and status.notice != ""


def show_notice(run: str, prefix: str = "") -> None:
    """Show what went wrong around a run."""
    status = manager.get_manager().status(run)
    if status is not None and status.notice:
        st.warning(prefix + escape_markdown(status.notice))


def follow_notice(run: str, prefix: str = "") -> None:
    """Show what goes wrong around a run as long as it lasts. Not for use within a fragment."""
    status = manager.get_manager().status(run)
    place = st.container()  # drawn in any case, so that what follows keeps its place when the run ends
    if status is not None and (status.notice or status.is_active):
        with place:
            st.fragment(catch_errors(show_notice), run_every=POLL_SECONDS, key=f"notice of {run}")(run, prefix)
