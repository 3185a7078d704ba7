"""Compare: stored runs beside each other, and whether what sets them apart is more than luck."""

import streamlit as st

from pages.ui.app import shell

shell.ensure_navigation()

st.title("Compare")
st.markdown("Tick runs to see their curves over each other, what sets them apart, and what is more than luck.")

# The engine takes seconds to load on a fresh server: what stands above is on the screen meanwhile.
from kd_core.runs import manager
from kd_core.store.queries import RunQueries
from pages.ui.compare import curves, pareto, results_table, run_table, seeds, url_state
from pages.ui.run import trash
from pages.ui.widgets import charts

ledger = RunQueries(manager.get_manager().store)
if not ledger.count():
    st.info("There is no run yet. Train one or two, then compare them here.")
    st.page_link("pages/distill.py", label="Train one in the lab", icon=":material/science:")
    st.stop()

view = url_state.current()
if not view.runs:  # the address names them from now on, so that it says the same tomorrow
    url_state.update_url(runs=",".join(run_table.default_runs(ledger, view.search)) or url_state.NO_RUNS)
    view = view.with_values(runs=st.query_params["runs"])
asked = view.chosen
found = ledger.by_ids(asked[: url_state.MAX_RUNS])
rows = {each: row for each, row in found.items() if row.available_config}
called = run_table.letters(list(found))

run_table.filters(ledger, view)
run_table.table(ledger, view, list(found))
run_table.run_multiselect(ledger, view, found)
trash.bin_()
run_table.run_notices(asked[: url_state.MAX_RUNS], found)
if len(asked) > url_state.MAX_RUNS:
    st.info(
        f"The link names {len(asked)} runs; the first {url_state.MAX_RUNS} are shown, the most that can be told apart."
    )
if not rows:
    st.info("Nothing is compared. Tick a run in the table, or choose one in the box below it.")
    st.stop()

st.header("How they learned")
curves.follow(ledger, rows, called)

st.header("What sets them apart")
results_table.differences(rows, called)

st.header("What they can do, and what they cost")
judged = results_table.network_results(ledger, rows)
results_table.results_table(judged, called)
if judged:
    st.subheader("Accuracy against cost")
    pareto.pareto_chart(judged, called, view)

st.header("Skill or luck?")
seeds.seed_groups(rows, called)

st.divider()
charts.format_picker()
