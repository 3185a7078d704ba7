"""Decision surfaces of a finished run, with a play button and an epoch slider."""

from __future__ import annotations

import streamlit as st

from kd_core.store.store import Run
from pages.ui.inspect.settings import InspectOptions, url
from pages.ui.run import live_view


def show_surfaces(row: Run, options: InspectOptions) -> None:
    """Draw every stored surface of the plane. There are more of them than epochs with stored weights."""
    key = f"scrubber of {row.id}"

    def write_choice() -> None:
        evaluation = getattr(st.session_state.get(key), "evaluation", None)
        if evaluation is not None:
            url.update(moment=int(evaluation))

    live_view.follow(
        row, False, panels=("scrubber", "surfaces"),
        scrubber={"evaluation": options.moment, "on_evaluation_change": write_choice},
    )  # fmt: skip
