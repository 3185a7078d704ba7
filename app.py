"""Distillery: the table of contents."""

import streamlit as st

from pages.ui import frame

st.set_page_config(layout="wide", initial_sidebar_state="auto")
frame.run(frame.navigation())
