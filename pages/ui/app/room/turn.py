"""Turns of a presenter's clicker, to the next lesson or back."""

from __future__ import annotations

import streamlit as st

CLOCK = "room clock"  # key of the component
PENDING, DUE = "pending turn", "due turn"  # before and after the redraw of the page for which it is meant
LAST = "last turn"  # as it was sent, with its time


def record() -> None:
    """Note the turn that the clicker has just sent."""
    turned = getattr(st.session_state.get(CLOCK), "turned", None)
    if turned and turned != st.session_state.get(LAST):
        st.session_state[LAST] = turned
        st.session_state[PENDING] = 1 if turned[0] > 0 else -1


def is_pending() -> bool:
    """Whether the page has to be drawn to take a turn."""
    return PENDING in st.session_state


def begin_page() -> None:
    """Make a pending turn due; whatever an earlier page has not taken is forgotten."""
    st.session_state[DUE] = st.session_state.pop(PENDING, 0)


def take() -> int:
    """Return the due turn, 1 or -1, once; 0 without one."""
    return int(st.session_state.pop(DUE, 0))
