"""Inspect page, with the predictions of teacher, student and baseline of one run, example by example."""

import streamlit as st

from pages.ui.app import shell

shell.ensure_navigation()

st.title("Inspect")
st.markdown(
    "Two networks of the same accuracy need not be right on the same examples. Here are the predictions behind the "
    "result of one run: what the student gained from its teacher, what it lost, and on which examples."
)

# The engine takes seconds to load on a fresh server; the text above is on the screen meanwhile.
from pages.ui.app import startup_notices
from pages.ui.inspect import (
    changed_examples,
    class_recall,
    confusion_matrix,
    embeddings,
    run_picker,
    surface_replay,
)
from pages.ui.inspect.settings import url
from pages.ui.widgets import charts

url.restore()
row = run_picker.selected_run()
if row is None:
    st.stop()
startup_notices.follow_notice(row.id)
options, link_errors = url.read()
inspected = run_picker.inspect_run(row, options)
options = url.reset_unfit(options, link_errors, options.errors(inspected.analysis))
run_picker.choices(inspected)
changed_examples.summary(inspected)

st.header("Confusion matrices")
st.markdown(
    "Each row is a true class, each column a prediction; cells off the diagonal are errors. Colours are logarithmic, "
    "so that a single error is visible. The difference is student − baseline: orange where the student makes this "
    "prediction more often, purple where the baseline does."
)
confusion_matrix.matrices(inspected, options)

st.header("Examples")
st.markdown("✓ is the true class. Wrong predictions are struck through. Choose a card to see its softened outputs.")
changed_examples.examples(inspected, options)

st.header("Recall per class")
class_recall.dots(inspected)

if inspected.replay.data.is_planar:
    st.header("Decision surfaces")
    st.markdown("The decision surfaces during training: press play, or move through the epochs.")
    surface_replay.show_surfaces(row, options)

st.header("Embeddings")
st.markdown(
    "The input of the last layer of each network, projected on the two directions in which it varies most (PCA). "
    "Each network has its own directions: compare how the classes are arranged, not where they lie."
)
embeddings.embeddings(inspected, options, changed_examples.visible_examples(inspected, options))

st.divider()
charts.format_picker()
