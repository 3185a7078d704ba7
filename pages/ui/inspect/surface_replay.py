"""The decision surfaces of a finished run with their own play button; the moment shown is in the address."""

from __future__ import annotations

import streamlit as st

from kd_core.store.store import Run
from pages.ui.inspect.url_state import Focus, look
from pages.ui.run import live_view


def replay(row: Run, focus: Focus) -> None:
    """Every stored look at the plane: more than there are epochs whose weights were kept."""
    key = f"scrubber of {row.id}"

    def remember() -> None:
        picked = getattr(st.session_state.get(key), "picked", None)
        if picked is not None:
            look(moment=int(picked))

    live_view.follow(
        row, False, panels=("surfaces",), has_controls=False,
        scrubber={"picked": focus.moment, "on_picked_change": remember},
    )  # fmt: skip
