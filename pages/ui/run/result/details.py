"""Everything about a finished run below its result."""

from __future__ import annotations

import streamlit as st

from kd_core.export.code import sentences_on_changes
from kd_core.runs import manager
from kd_core.store.store import Run
from pages.ui.form import feature_diagram, plan_diagram
from pages.ui.run import code_dialog, run_picker
from pages.ui.run.frames import run_frames
from pages.ui.run.result import diagnosis, method_sweep, report, verdict


def show(row: Run) -> None:
    """Draw the networks with cost and accuracy, what explains the result, where to go on, and the plan."""
    st.subheader("Training data, cost and accuracy")
    verdict.table(row, run_frames(row.id))
    diagnosis.card(row)
    with st.container(horizontal=True):
        if row.state == manager.COMPLETED:
            method_sweep.compare_methods(row.config)
        report.report_button(row)
        changes = [event for _, event in manager.get_manager().store.iter_events(row.id, kinds=("adjusted",))]
        code_dialog.button(row.config, sentences_on_changes(changes), key=f"code of {row.id}")
        st.page_link(
            "pages/compare.py", label="Compare this run with others", icon=":material/compare_arrows:",
            query_params={"runs": row.id},
        )  # fmt: skip
        if not run_picker.inspect_refusal(row):
            st.page_link(
                "pages/inspect.py", label="Inspect what the student gained and lost, example by example",
                icon=":material/frame_inspect:", query_params={"run": row.id},
            )  # fmt: skip
        st.page_link(
            "pages/sweep.py", label="Sweep over these settings", icon=":material/grid_on:",
            query_params=row.config.differences(),
        )  # fmt: skip
    plan = st.expander("Plan and matched features", key=f"plan of {row.id}", on_change="rerun")
    if plan.open:
        with plan:
            plan_diagram.show(plan_diagram.facts(row.config), plan_diagram.table(row.config))
            feature_diagram.show(*feature_diagram.drawing(row.config))
