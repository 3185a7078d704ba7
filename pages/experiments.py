"""Page of experiments, with claims that are tested here in seconds and published benchmarks."""

import streamlit as st

from pages.ui.app import shell

shell.ensure_navigation()

st.title("Experiments")
# The engine takes seconds to load on a fresh server; the title is on the screen meanwhile.
from kd_core.base import registry
from pages.ui.experiments import claims, published
from pages.ui.experiments.settings import url
from pages.ui.widgets.text.escape import escape_markdown

url.restore()
options, errors = url.read()
url.reset_unfit(options, errors, {})
claims.unknown_claim(options.claim)
published.unknown_preset(options.preset)
for sentence in registry.problems():
    st.caption(escape_markdown(sentence))
st.header("Claims")
claims.show(options)
st.header("Published benchmarks")
published.show(options)
