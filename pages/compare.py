"""Compare: stored runs beside each other, and whether what sets them apart is more than luck."""

import streamlit as st

from pages.ui import frame

frame.guard()

st.title("Compare")
st.markdown("Tick runs to see their curves over each other, what sets them apart, and what is more than luck.")

# The engine takes seconds to load on a fresh server: what stands above is on the screen meanwhile.
from kd_core.runs import manager  # noqa: E402
from kd_core.store.queries import Ledger  # noqa: E402
from pages.ui import charts, comparing, luck, overlay, shelf, standings, trade, trash  # noqa: E402

ledger = Ledger(manager.shared().store)
if not ledger.count():
    st.info("There is no run yet. Train one or two, then compare them here.")
    st.page_link("pages/distill.py", label="Train one in the lab", icon=":material/science:")
    st.stop()

view = comparing.current()
if not view.runs:  # the address names them from now on, so that it says the same tomorrow
    comparing.look(runs=",".join(shelf.usual(ledger, view.search)) or comparing.NOBODY)
    view = view.with_values(runs=st.query_params["runs"])
asked = view.chosen
found = ledger.named(asked[: comparing.MOST])
rows = {each: row for each, row in found.items() if row.listed}
called = shelf.letters(list(found))

shelf.filters(ledger, view)
shelf.table(ledger, view, list(found))
shelf.compared(ledger, view, found)
trash.bin_()
shelf.remarks(asked[: comparing.MOST], found)
if len(asked) > comparing.MOST:
    st.info(f"The link names {len(asked)} runs; the first {comparing.MOST} are shown, the most that can be told apart.")
if not rows:
    st.info("Nothing is compared. Tick a run in the table, or choose one in the box below it.")
    st.stop()

st.header("How they learned")
overlay.follow(ledger, rows, called)

st.header("What sets them apart")
standings.differences(rows, called)

st.header("What they can do, and what they cost")
judged = standings.of_all(ledger, rows)
standings.side_by_side(judged, called)
if judged:
    st.subheader("Accuracy against cost")
    trade.trade(judged, called, view)

st.header("Skill or luck?")
luck.verdicts(rows, called)

st.divider()
charts.pictures()
