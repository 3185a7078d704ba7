"""Page that sets up a run, starts it and shows its training and result."""

import streamlit as st

from pages.ui.app import shell

shell.ensure_navigation()

st.title("Distill")

from kd_core.runs import manager
from pages.ui.form import form
from pages.ui.run import annotations, diagnosis, history, live_view, method_sweep, trash, verdict
from pages.ui.run.frames import run_frames

run = st.query_params.get("run")
row = manager.get_manager().store.run(run) if run else None
if run and row is None:
    trash.show_missing(run)
    if st.button("Show the page without it", icon=":material/arrow_back:"):
        del st.query_params["run"]
        st.rerun()
    st.stop()

if row and not row.is_readable:
    st.error("This run uses a method, network or data set that is not installed here, so it cannot be shown.")
    st.page_link("pages/distill.py", label="Show the page without it", icon=":material/arrow_back:")
    st.stop()

is_active = row is not None and row.state in manager.ACTIVE

with st.expander("Set up another run", icon=":material/tune:") if is_active else st.container():
    form.form(row)

if row is None:
    st.caption("Press Start training: teacher, student and baseline appear here as they learn.")
else:
    st.header("Training" if is_active else "Result")
    # Containers that are drawn in any case, so that the live view keeps its place, its zoom and its hidden curves when
    # the run ends.
    with st.container():
        annotations.header(row, history.describe_run(row))
    result = st.container()
    if not is_active:
        with result:
            history.outcome(row)
            verdict.show_verdict(row)
            verdict.more_seeds(row)
            if row.state == manager.COMPLETED:
                method_sweep.compare_methods(row.config)
            diagnosis.card(row)
            st.page_link(
                "pages/temperature.py", label="Explore the softened outputs",
                icon=":material/thermostat:", query_params={"run": row.id},
            )  # fmt: skip
            st.page_link(
                "pages/compare.py", label="Compare this run with others", icon=":material/compare_arrows:",
                query_params={"runs": row.id},
            )  # fmt: skip
            st.page_link(
                "pages/inspect.py", label="Inspect what the student gained and lost, example by example",
                icon=":material/frame_inspect:", query_params={"run": row.id},
            )  # fmt: skip
    live_view.follow(row, is_active, panels=("surfaces", "curves", "bars"))
    if not is_active:
        st.subheader("Training data, cost and accuracy")
        verdict.table(row, run_frames(row.id))
history.earlier(row)
