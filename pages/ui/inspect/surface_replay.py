"""The decision surfaces of a finished run with their own play button; the moment shown is in the address."""

from __future__ import annotations

import streamlit as st

from kd_core.store.store import Run
from pages.ui.inspect.url_state import InspectOptions, update_url
from pages.ui.run import live_view


def show_surfaces(row: Run, focus: InspectOptions) -> None:
    """Every stored look at the plane: more than there are epochs whose weights were kept."""
    key = f"scrubber of {row.id}"

    def remember() -> None:
        picked = getattr(st.session_state.get(key), "picked", None)
        if picked is not None:
            update_url(moment=int(picked))

    live_view.follow(
        row, False, panels=("surfaces",), has_controls=False,
        scrubber={"picked": focus.moment, "on_picked_change": remember},
    )  # fmt: skip
