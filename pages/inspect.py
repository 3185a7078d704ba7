"""Inspect: where teacher, student and baseline of one run agree and where not, example by example."""

import streamlit as st

from pages.ui.app import shell

shell.ensure_navigation()

st.title("Inspect")
st.markdown(
    "Two networks of the same accuracy need not be right about the same examples. Here are the answers behind the "
    "verdict of one run: what the student gained from its teacher, what it lost, and on which examples."
)

# The engine takes seconds to load on a fresh server: what stands above is on the screen meanwhile.
from pages.ui.inspect import (
    changed_examples,
    class_recall,
    confusion_matrix,
    embeddings,
    run_picker,
    surface_replay,
    url_state,
)
from pages.ui.widgets import charts

url_state.restore()
row = run_picker.selected_run()
if row is None:
    st.stop()
wanted, refused = url_state.asked()
shown = run_picker.inspect_run(row, wanted)
wanted = url_state.fitted(wanted, refused, shown.inspection)
run_picker.choices(shown)
changed_examples.summary(shown)

st.header("Who is taken for whom")
st.markdown(
    "Each row is a true class, each column an answer; what is off the diagonal is a mistake. Colours are logarithmic, "
    "so that a single one is seen. The difference is student − baseline: orange where the student gives this answer "
    "more often, blue where the baseline does."
)
confusion_matrix.matrices(shown, wanted)

st.header("The examples behind the counts")
st.markdown("✕ is the true class. Wrong answers are struck through. Choose a card to see its soft labels close up.")
changed_examples.examples(shown, wanted)

st.header("How many of each class are found")
class_recall.dots(shown)

if shown.replay.data.is_planar:
    st.header("Where the classes end")
    st.markdown("The decision surfaces as they formed: press play, or move through the epochs.")
    surface_replay.show_surfaces(row, wanted)

st.header("How the networks see the examples")
st.markdown(
    "What reaches the last layer of each network, the embedding, projected on the two directions in which it varies "
    "most (PCA). Each network has directions of its own: compare how the classes lie, not where."
)
embeddings.embeddings(shown, wanted, changed_examples.visible_examples(shown, wanted))

st.divider()
charts.format_picker()
