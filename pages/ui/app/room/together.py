"""One training of a whole class, each member with a temperature of its own."""

from __future__ import annotations

import streamlit as st

from pages.ui.app.errors import toast_errors
from pages.ui.app.room.rooms import Room

TEMPERATURES = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 20.0)
STARTED = "sweep of the class"  # key in the presenter's session
TEMPLATE = {"dataset": "digits", "labelled": "50"}


def control(room: Room) -> None:
    """Draw the buttons that ask every member for a temperature and train a student for each."""
    if not room.is_training_together:
        st.button("Train together", icon=":material/groups:", key="train together", on_click=room.gather)
        return
    st.caption(f"{len(room.values)} of {room.count} have chosen a temperature", width="content")
    st.button(
        "Train everybody’s student", icon=":material/play_arrow:", type="primary", key="train everybody",
        disabled=not room.values, on_click=_train, args=(room,),
    )  # fmt: skip


def choice(room: Room, member: str) -> None:
    """Draw the choice of a member's temperature, or which one it was."""
    if room.is_training_together:
        current = room.values.get(member)
        chosen = st.select_slider("Your student’s temperature", TEMPERATURES, current or 4.0, key="own temperature")
        st.button(
            "Send" if current is None else "Send again", key="send temperature", on_click=_choose,
            args=(room, member, float(chosen)),
        )  # fmt: skip
        if current is not None:
            st.caption(f"Sent: T = {current:g}")
    elif member in room.values:
        st.caption(f"Your student trains at T = {room.values[member]:g}.")


@toast_errors
def _choose(room: Room, member: str, value: float) -> None:
    room.choose(member, value)


@toast_errors
def _train(room: Room) -> None:
    """Train one student for each chosen temperature, as one stack, and go to its map."""
    # The frame of the pages is drawn before the engine is imported.
    from kd_core.config.run import from_flat
    from kd_core.config.sweep import Axis, Sweep
    from pages.ui.app.actions import actions

    values = sorted(set(room.values.values()))
    sweep = Sweep(from_flat(TEMPLATE), (Axis("temperature", tuple(f"{value:g}" for value in values)),), (0, 1, 2))
    key = actions().start_sweep(sweep)
    room.end_gathering()
    st.session_state[STARTED] = key


def started_sweep() -> str:
    """Return the sweep that was started and is not open yet, once; "" without one."""
    return str(st.session_state.pop(STARTED, ""))
