"""Compress page, with pruning, distillation from the unpruned network, and int8, of a network of one run."""

import streamlit as st

from pages.ui.app import shell

shell.ensure_navigation()

st.title("Compress")
st.markdown(
    "Distillation makes a small network; pruning and int8 make it smaller. Remove what matters least, distil again "
    "from the unpruned network, store the weights in eight bits, and see what each step costs."
)

# The engine takes seconds to load on a fresh server; the text above is on the screen meanwhile.
from pages.ui.app import startup_notices
from pages.ui.app.url_state import show_link_errors
from pages.ui.inspect.run_picker import selected_run
from pages.ui.networks.compress import pruning, second_run, stages
from pages.ui.networks.compress.settings import url
from pages.ui.widgets import charts

url.restore()
row = selected_run()
if row is None:
    st.stop()
startup_notices.follow_notice(row.id)
options, link_errors = url.read()
show_link_errors(link_errors.values())
unpruned = pruning.network(row, options)
if unpruned is None:
    st.stop()
score = unpruned.data.task.score_title

choices, curve = st.columns([2, 3], gap="large")
with choices:
    st.header("Prune")
    kind = pruning.kind(options)
    fraction = pruning.fraction(unpruned, kind, options)
    st.header("Distil again")
    second = second_run.distil_again(unpruned, fraction, kind)
with curve:
    pruning.curve_chart(unpruned, kind, fraction)

st.header("Stages")
planned = stages.planned_stages(unpruned, fraction, kind, second, options)
measured = stages.measured_stages(unpruned, planned)
stages.stage_table(measured, unpruned, kind)
stages.buttons(unpruned, planned, fraction)

st.header(f"{score[0].upper()}{score[1:]} against cost")
stages.pareto_chart(measured, unpruned, options)

st.divider()
charts.format_picker()
