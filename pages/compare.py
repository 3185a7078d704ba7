"""Compare page, with learning curves, settings, results and costs of stored runs, and the significance of gains."""

import streamlit as st

from pages.ui.app import shell

shell.ensure_navigation()

st.title("Compare")
st.markdown("Tick runs to overlay their curves, see the settings that differ, and test whether a gain is significant.")

# The engine takes seconds to load on a fresh server; the text above is on the screen meanwhile.
from kd_core.runs import manager
from kd_core.store.queries import RunQueries
from pages.ui.app.url_state import show_link_errors
from pages.ui.compare import curves, pareto, results_table, run_table, seeds
from pages.ui.compare.settings import MAX_RUNS, NO_RUNS, update_url, url
from pages.ui.run import trash
from pages.ui.widgets import charts

queries = RunQueries(manager.get_manager().store)
if not queries.count():
    st.info("There are no runs yet. Train one or two, then compare them here.")
    st.page_link("pages/distill.py", label="Train one in Distill", icon=":material/science:")
    st.stop()

url.restore()
options, link_errors = url.read()
show_link_errors(link_errors.values())
if not options.runs:  # written into the URL, so that the link shows the same runs tomorrow
    update_url(runs=",".join(run_table.default_runs(queries, options.search)) or NO_RUNS)
    options = options.with_values(runs=st.query_params["runs"])
ids = options.run_ids[:MAX_RUNS]
stored = queries.by_ids(ids)
readable = {run: row for run, row in stored.items() if row.available_config}
letters = run_table.letters_of(list(stored))

page = run_table.table_page(queries, options)
run_table.filters(queries, options, page)
run_table.table(queries, options, stored, page)
run_table.run_multiselect(queries, stored, page)
trash.bin_()
run_table.run_notices(ids, stored)
if len(options.run_ids) > MAX_RUNS:
    st.info(f"The link names {len(options.run_ids)} runs. At most {MAX_RUNS} can be compared: the first are shown.")
if not readable:
    st.info("No runs are selected. Tick a run in the table, or choose one in the box below it.")
    st.stop()

st.header("Learning curves")
curves.follow(queries, readable, letters)

st.header("Settings that differ")
results_table.differences(readable, letters)

st.header("Test results and costs")
results = results_table.network_results(queries, readable)
results_table.results_table(results, letters)
if results:
    st.subheader("Accuracy against cost")
    pareto.pareto_chart(results, letters, options)

st.header("Is the gain significant?")
seeds.seed_groups(readable, letters)

st.divider()
charts.format_picker()
