"""Page of published experiments, with their reported numbers beside those measured here."""

import streamlit as st

from pages.ui.app import shell

shell.ensure_navigation()

st.title("Experiments")
st.markdown(
    "Published results, ready to repeat: the reported numbers, the numbers of runs on this machine with exactly these "
    "settings, and how the settings differ from the paper. Open one in Distill and start it, or change it first."
)
st.markdown(
    "**Most of them take long.** 240 epochs of CIFAR-100 take hours to days on a CPU. Without a GPU, begin with MNIST."
)

# The engine takes seconds to load on a fresh server; title and introduction are on the screen meanwhile.
from kd_core.config import presets
from pages.ui import experiments
from pages.ui.text.escape import escape_markdown

linked = st.query_params.get("preset", "")
if linked and linked not in {preset.name for preset in presets.all_presets()}:
    st.error(f"There is no experiment called “{escape_markdown(linked)}”. All experiments are listed below.")

for source, members in presets.sources():
    st.header(source.title)
    st.caption(f"{source.authors} {source.year}, {source.where}")
    st.markdown(source.about)
    for preset in members:
        experiments.card(preset, is_open=preset.name == linked)
