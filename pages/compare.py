"""Page that compares stored runs: curves, settings, results and the significance of gains."""

import streamlit as st

from pages.ui.app import shell

shell.ensure_navigation()

st.title("Compare")
st.markdown("Tick runs to overlay their curves, see which settings differ, and test whether a gain is significant.")

# The engine takes seconds to load on a fresh server; title and introduction are on the screen meanwhile.
from kd_core.runs import manager
from kd_core.store.queries import RunQueries
from pages.ui.compare import curves, pareto, results_table, run_table, seeds, url_state
from pages.ui.run import trash
from pages.ui.widgets import charts

queries = RunQueries(manager.get_manager().store)
if not queries.count():
    st.info("There is no run yet. Train one or two, then compare them here.")
    st.page_link("pages/distill.py", label="Train one in Distill", icon=":material/science:")
    st.stop()

view = url_state.current()
if not view.runs:  # written to the URL, so that the link shows the same runs when newer ones exist
    url_state.update_url(runs=",".join(run_table.default_runs(queries, view.search)) or url_state.NO_RUNS)
    view = view.with_values(runs=st.query_params["runs"])
requested = view.chosen
chosen = queries.named(requested[: url_state.MAX_RUNS])
rows = {run: row for run, row in chosen.items() if row.available_config}
letters = run_table.letters(list(chosen))

run_table.filters(queries, view)
run_table.table(queries, view, list(chosen))
run_table.run_multiselect(queries, view, chosen)
trash.bin_()
run_table.run_notices(requested[: url_state.MAX_RUNS], chosen)
if len(requested) > url_state.MAX_RUNS:
    st.info(
        f"The link names {len(requested)} runs. The first {url_state.MAX_RUNS} are shown, as many as there are "
        "distinct colours."
    )
if not rows:
    st.info("No run is selected. Tick a run in the table, or choose one in the box below it.")
    st.stop()

st.header("Learning curves")
curves.follow(queries, rows, letters)

st.header("Settings that differ")
results_table.differences(rows, letters)

st.header("Accuracy and cost of each network")
results = results_table.network_results(queries, rows)
results_table.results_table(results, letters)
if results:
    st.subheader("Accuracy against cost")
    pareto.pareto_chart(results, letters, view)

st.header("Is the gain significant?")
seeds.seed_groups(rows, letters)

st.divider()
charts.format_picker()
