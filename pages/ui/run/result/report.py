"""Button that downloads the report of a run."""

from __future__ import annotations

import streamlit as st

from kd_core.export import report
from kd_core.runs import manager
from kd_core.store.store import Run


def report_button(row: Run) -> None:
    """Draw a button that downloads the report of a run as one HTML file, written when it is pressed."""
    store = manager.get_manager().store

    def write() -> str:
        return report.report(store, store.run(row.id) or row)

    st.download_button(
        "Report", write, f"distillery-{row.id}.html", "text/html", key=f"report of {row.id}",
        icon=":material/description:", on_click="ignore",
        help="One HTML file with the verdict, numbers, settings, curves and softened outputs, whose temperature can "
        "still be changed. It opens without a network."
        + (" The run is not finished, and the report says so." if row.state in manager.ACTIVE else ""),
    )  # fmt: skip
