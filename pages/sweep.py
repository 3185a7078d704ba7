"""Page that varies up to two options over several seeds and maps the results."""

import streamlit as st

from pages.ui.app import shell

shell.ensure_navigation()

st.title("Sweep")
st.markdown(
    "Vary two options at once, over several seeds, and see where the teacher helps. The map shows validation results; "
    "the cell that you choose is then evaluated on the test set, once."
)

# The engine takes seconds to load on a fresh server; title and introduction are on the screen meanwhile.
from kd_core.runs import manager
from pages.ui.sweep import form, progress, url_state
from pages.ui.text.escape import escape_markdown
from pages.ui.widgets import charts

url_state.restore()
sweep = st.query_params.get("sweep", "")[:40]
row = manager.get_manager().store.sweep(sweep) if sweep else None
problem = ""
if sweep and row is None:
    problem = (
        f"There is no sweep called “{escape_markdown(sweep)}” here. It may be on another machine, or have been deleted."
    )
elif row is not None and not row.is_readable:
    problem = "This sweep uses a method, network or data set that is not installed here, so it cannot be shown."
if problem:
    st.error(problem)
    if st.button("Show the page without it", icon=":material/arrow_back:"):
        url_state.update_url(sweep="", cell="", confirmed="")
        st.rerun()
    st.stop()

state = url_state.current(row)
with st.expander("Set up another sweep", icon=":material/tune:") if row else st.container():
    form.form(state)
if row is None:
    st.caption("Start the sweep: the map appears here and fills as the runs finish.")
else:
    st.header("Results")
    progress.follow(row, state.view)
    st.divider()
    charts.format_picker()
progress.earlier(sweep)
