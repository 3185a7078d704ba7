"""Sweep: two options varied over several seeds, a map of what that does, and one choice confirmed on the test split."""

import streamlit as st

from pages.ui.app import shell

shell.ensure_navigation()

st.title("Sweep")
st.markdown(
    "Vary two options at once, over several seeds, and see where the teacher helps. The map is of the validation "
    "split; the cell that you choose is confirmed on the test split, once."
)

# The engine takes seconds to load on a fresh server: what stands above is on the screen meanwhile.
from kd_core.runs import manager
from pages.ui.sweep import form, progress, url_state
from pages.ui.text.escape import escape_markdown
from pages.ui.widgets import charts

url_state.restore()
wanted = st.query_params.get("sweep", "")[:40]
row = manager.get_manager().store.sweep(wanted) if wanted else None
said = ""
if wanted and row is None:
    said = (
        f"There is no sweep called “{escape_markdown(wanted)}” here. "
        "It may belong to another machine, or have been deleted."
    )
elif row is not None and not row.is_readable:
    said = "This sweep needs a method, a network or data that this installation does not have, so it cannot be shown."
if said:
    st.error(said)
    if st.button("Show the page without it", icon=":material/arrow_back:"):
        url_state.update_url(sweep="", cell="", confirmed="")
        st.rerun()
    st.stop()

wish = url_state.current(row)
with st.expander("Set up another sweep", icon=":material/tune:") if row else st.container():
    form.form(wish)
if row is None:
    st.caption("Press start: the map appears here and fills while the runs train.")
else:
    st.header("The map")
    progress.follow(row, wish.view)
    st.divider()
    charts.format_picker()
progress.earlier(wanted)
