"""Inspect: where teacher, student and baseline of one run agree and where not, example by example."""

import streamlit as st

from pages.ui import frame

frame.guard()

st.title("Inspect")
st.markdown(
    "Two networks of the same accuracy need not be right about the same examples. Here are the answers behind the "
    "verdict of one run: what the student gained from its teacher, what it lost, and on which examples."
)

# The engine takes seconds to load on a fresh server: what stands above is on the screen meanwhile.
from pages.ui import changes, charts, confusions, focus, recalls, spread, subject, surfaces  # noqa: E402

focus.follow()
row = subject.chosen()
if row is None:
    st.stop()
wanted, refused = focus.asked()
shown = subject.subject(row, wanted)
wanted = focus.fitted(wanted, refused, shown.seen)
subject.choices(shown)
changes.summary(shown)

st.header("Who is taken for whom")
st.markdown(
    "Each row is a true class, each column an answer; what is off the diagonal is a mistake. Colours are logarithmic, "
    "so that a single one is seen. The difference is student − baseline: orange where the student gives this answer "
    "more often, blue where the baseline does."
)
confusions.matrices(shown, wanted)

st.header("The examples behind the counts")
st.markdown("✕ is the true class. Wrong answers are struck through. Choose a card to see its soft labels close up.")
changes.examples(shown, wanted)

st.header("How many of each class are found")
recalls.dots(shown)

if shown.recall.data.is_planar:
    st.header("Where the classes end")
    st.markdown("The decision surfaces as they formed: press play, or move through the epochs.")
    surfaces.replay(row, wanted)

st.header("How the networks see the examples")
st.markdown(
    "What reaches the last layer of each network, the embedding, projected on the two directions in which it varies "
    "most (PCA). Each network has directions of its own: compare how the classes lie, not where."
)
spread.embeddings(shown, wanted, changes.behind(shown, wanted))

st.divider()
charts.pictures()
