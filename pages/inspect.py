"""Page that compares the predictions of one run's teacher, student and baseline."""

import streamlit as st

from pages.ui.app import shell

shell.ensure_navigation()

st.title("Inspect")
st.markdown(
    "Two networks of the same accuracy need not be right on the same examples. This page shows the predictions of "
    "one run: which errors of the baseline the student corrects, which it adds, and on which examples."
)

# The engine takes seconds to load on a fresh server; title and introduction are on the screen meanwhile.
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
view, refused = url_state.asked()
subject = run_picker.inspect_run(row, view)
view = url_state.fitted(view, refused, subject.inspection)
run_picker.choices(subject)
changed_examples.summary(subject)

st.header("Confusion matrices")
st.markdown(
    "Rows are true classes, columns are predicted classes; everything off the diagonal is an error. Colours are "
    "logarithmic, so that a single error is visible. The difference is student − baseline: orange where the student "
    "predicts this class more often, blue where the baseline does."
)
confusion_matrix.matrices(subject, view)

st.header("Examples behind the counts")
st.markdown(
    "✕ is the true class. Wrong predictions are struck through. Choose a card to see its soft targets in detail."
)
changed_examples.examples(subject, view)

st.header("Recall per class")
class_recall.dots(subject)

if subject.replay.data.is_planar:
    st.header("Decision surfaces")
    st.markdown("The decision surface of each network, epoch by epoch: press play, or move the slider.")
    surface_replay.show_surfaces(row, view)

st.header("Embeddings")
st.markdown(
    "The input of each network’s last layer, projected onto its first two principal components (PCA). Every network "
    "has its own components: compare how the classes are arranged, not where they are."
)
embeddings.embeddings(subject, view, changed_examples.visible_examples(subject, view))

st.divider()
charts.format_picker()
