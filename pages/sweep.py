"""Sweep page, which varies settings over several seeds and confirms one choice on the test set."""

import streamlit as st

from pages.ui.app import shell

shell.ensure_navigation()

st.title("Sweep")
st.markdown(
    "Vary two settings at once, over several seeds, compare all methods, or search for the best settings, and see "
    "where the teacher helps. Results are of the validation set; one choice is confirmed on the test set, once."
)

# The engine takes seconds to load on a fresh server; the text above is on the screen meanwhile.
from kd_core.runs import manager
from pages.ui.sweep import mode, progress
from pages.ui.sweep.search import results as search_results
from pages.ui.sweep.settings import current_form, url
from pages.ui.widgets import charts
from pages.ui.widgets.text.escape import escape_markdown

url.restore()
sweep = st.query_params.get("sweep", "")[:40]
row = manager.get_manager().store.sweep(sweep) if sweep else None
error = ""
if sweep and row is None:
    error = (
        f"There is no sweep called “{escape_markdown(sweep)}” here. "
        "It may belong to another machine, or have been deleted."
    )
elif row is not None and not row.is_readable:
    error = "This sweep needs a method, a network or data that this installation does not have, so it cannot be shown."
if error:
    st.error(error)
    if st.button("Show the page without it", icon=":material/arrow_back:"):
        url.update(sweep="", cell="", confirmed="")
        st.rerun()
    st.stop()

content = current_form(row)
another = st.expander("Set up another sweep", icon=":material/tune:", key="another", on_change="rerun") if row else None
if another is None or another.open:
    with another or st.container():
        mode.form(content)
if row is None:
    st.caption("Press Start: the results appear here and fill while the runs train.")
else:
    st.header("Results")
    if row.is_search:
        search_results.follow(row)
    else:
        progress.follow(row, content.options)
    st.divider()
    charts.format_picker()
progress.earlier(sweep)
