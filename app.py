"""Entry point of the Streamlit app."""

import streamlit as st

from pages.ui.app import shell

st.set_page_config(layout="wide", initial_sidebar_state="auto")
shell.run_page(shell.navigation())
