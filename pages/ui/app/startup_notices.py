"""What the data folder was found with when the app started: runs in the middle, and files that fit no run."""

from __future__ import annotations

import streamlit as st

from kd_core.base import registry
from kd_core.runs import manager
from pages.ui.text.escape import escape_markdown

SHOWN = 5


def show_interrupted(but: str) -> None:
    """A link to each run that the end of the app has interrupted, ``but`` one; and a sentence on what is missing."""
    shared = manager.get_manager()
    rows = [shared.store.run(run) for run in reversed(shared.integrity_report.interrupted) if run != but]
    waiting = [row for row in rows if row and row.available_config and row.state == manager.INTERRUPTED]
    for row in waiting[:SHOWN]:
        st.page_link(
            "pages/distill.py", label=f"Interrupted when the app ended: run {row.id}. It can go on where it was.",
            icon=":material/resume:", query_params={"run": row.id},
        )  # fmt: skip
    if len(waiting) > SHOWN:
        st.caption(f"{len(waiting) - SHOWN} more were interrupted; Compare lists them all.")
    for sentence in (*shared.integrity_report.sentences, *registry.problems()):
        st.caption(escape_markdown(sentence))


def show_notice(run: str) -> None:
    """What went wrong around a run, if anything did: a full disk, a damaged checkpoint."""
    status = manager.get_manager().status(run)
    if status is not None and status.notice:
        st.warning(escape_markdown(status.notice))
