"""Page that sets up a run, starts it and shows its training and result."""

import streamlit as st

from pages.ui.app import shell

shell.ensure_navigation()

with st.container(key="heading"):
    st.title("Distill", anchor=False)
    st.header("Training and result", anchor=False)

from kd_core.runs import manager
from pages.ui.app import settings
from pages.ui.form import data_card, form, frame
from pages.ui.run import annotations, history, live_controls, live_view, trash
from pages.ui.run.result import details, summary

st.html(frame.STYLE)
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
config, refused = settings.read_url(row.config if row else None)
if row is not None and is_active:
    settings.show(row.config)
    config, refused = settings.current()
is_available = data_card.is_available(config)

form.choices(config, is_locked=is_active)
problem = ""
with st.container(key="run" if row else "setup"):
    left, right = st.columns([3, 8], gap="medium")
with left:
    if row is not None and is_active:
        live_controls.follow(row)
        form.set_up_another()
    else:
        problem = form.controls(config, refused, row)
with right:
    # Every container is drawn in any case, so that nothing moves when a run begins or ends.
    with st.container(key="result"):
        summary.messages(config, [] if data_card.is_missing() else refused, problem)
        progress = st.empty()
        with st.container():
            if row is not None and not is_active:
                summary.show(row)
            elif row is None and is_available:
                st.markdown(form.hint(config))
    with st.container():
        if not is_available:
            data_card.obtain()
    if row is not None:
        live_view.follow(row, is_active, panels=live_view.panels(row.config), progress_place=progress)
    elif is_available:
        form.preview(config)
    settings.write_url()
if row is not None:
    annotations.header(row, history.describe_run(row))
    if not is_active:
        details.show(row)
history.earlier(row)
