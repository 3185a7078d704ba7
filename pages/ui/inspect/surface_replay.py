"""Decision surfaces of a finished run, with a play button and an epoch slider."""

from __future__ import annotations

import streamlit as st

from kd_core.store.store import Run
from pages.ui.inspect.settings import InspectOptions, url
from pages.ui.run import live_view


def show_surfaces(row: Run, options: InspectOptions) -> None:
    """Draw every stored surface of the plane. There are more of them than epochs with stored weights."""
    key = f"scrubber of {row.id}"

    def write_moment() -> None:
        moment = getattr(st.session_state.get(key), "picked", None)
        if moment is not None:
            url.update(moment=int(moment))

    live_view.follow(
        row, False, panels=("surfaces",), has_controls=False,
        scrubber={"picked": options.moment, "on_picked_change": write_moment},
    )  # fmt: skip
