"""Choice between a sweep over every combination and a search, and the form of either."""

from __future__ import annotations

import streamlit as st

from pages.ui.sweep import form as grid_form
from pages.ui.sweep.search import form as search_form
from pages.ui.sweep.settings import GRID, SEARCH, SweepForm, url
from pages.ui.widgets import keys

TITLES = {GRID: "Every combination", SEARCH: "Search"}


def form(content: SweepForm) -> None:
    """Draw the choice and the form."""
    chosen = content.options.mode
    st.segmented_control(
        "How to vary", list(TITLES), default=chosen, key=keys.key("sweep mode", chosen), required=True,
        format_func=TITLES.__getitem__, on_change=lambda: url.update(mode=keys.current_value("sweep mode") or GRID),
        help="Every combination of the values, as a map; or ranges, from which promising values are proposed.",
    )  # fmt: skip
    if chosen == SEARCH:
        grid_form.describe_base(content.base)
        search_form.form(content)
    else:
        grid_form.form(content)
