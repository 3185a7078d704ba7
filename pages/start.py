"""Start page, on which a student learns from a teacher before anything is pressed."""

import streamlit as st

from pages.ui.app import shell

shell.ensure_navigation()

st.title("Teach a small network with a big one")
st.markdown(
    "A large **teacher** is trained on many correctly labelled examples. A small **student** gets a handful, some of "
    "them mislabelled, and the teacher’s outputs. The **baseline** is the same network trained on the same data "
    "without a teacher."
)
button, verdict = st.columns([1, 4], gap="medium", vertical_alignment="center")

# The engine takes seconds to load on a fresh server; title and introduction are on the screen meanwhile.
from kd_core.runs import manager
from pages.ui.app import startup_notices
from pages.ui.run import demonstration, live_view

run = demonstration.demo_run(may_start=st.query_params.get("autoplay") != "0")
if run is None:
    if st.button("Watch it learn", type="primary", icon=":material/play_arrow:"):
        del st.query_params["autoplay"]
        st.rerun()
    st.stop()

row, status = manager.get_manager().store.run(run), manager.get_manager().status(run)
assert row is not None
assert status is not None
is_active = status.is_active
with button:
    if st.button("Train your own", type="primary", icon=":material/play_arrow:", width="stretch"):
        st.switch_page("pages/distill.py", query_params=demonstration.own_run(row))
    st.page_link(
        "pages/distill.py", label="Change this one", icon=":material/tune:",
        query_params={**row.config.differences(), "run": run},
    )  # fmt: skip
    st.page_link("pages/learn.py", label="Take a lesson", icon=":material/school:")
    live_view.hidden_heading("Training")
with verdict:
    demonstration.verdict(row, is_active)
startup_notices.follow_notice(run)
live_view.follow(row, is_active, panels=("scrubber", "surfaces"))

st.header("Where a teacher helps, and where not")
recipes = demonstration.RECIPES
for column, (title, question, settings) in zip(st.columns(3, gap="medium", border=True), recipes, strict=True):
    with column:
        st.markdown(f"**{title}** {question}")
        st.page_link(
            "pages/distill.py", label="Open in Distill", icon=":material/arrow_forward:", query_params=settings
        )
st.caption("Real networks, trained live on this machine. No data leaves it.")
