"""Experiments: what was published, what it needs to be repeated here, and what came out."""

import streamlit as st

from pages.ui.app import shell

shell.ensure_navigation()

st.title("Experiments")
st.markdown(
    "Well-known results as settings: what was published, what the runs on this machine gave with exactly these "
    "settings, and where ours differ. Open one in Distill and start it, or change something first."
)
st.markdown(
    "**Most of them are long.** 240 epochs of CIFAR-100 take hours to days on a processor. Without a graphics card, "
    "begin with MNIST."
)

# The engine takes seconds to load on a fresh server: what stands above is on the screen meanwhile.
from kd_core.config import presets
from pages.ui import experiments
from pages.ui.text.escape import escape_markdown

wanted = st.query_params.get("preset", "")
if wanted and wanted not in {preset.name for preset in presets.all_presets()}:
    st.error(f"There is no experiment called “{escape_markdown(wanted)}”. All of them are below.")

for source, found in presets.sources():
    st.header(source.title)
    st.caption(f"{source.authors} {source.year}, {source.where}")
    st.markdown(source.about)
    for preset in found:
        experiments.card(preset, is_open=preset.name == wanted)
