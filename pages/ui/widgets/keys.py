"""Widgets that show what the settings say, whoever changed those: the address, another widget, a suggestion."""

from __future__ import annotations

import math
from typing import Any

import streamlit as st


def key(name: str, value: Any) -> str:
    """The key of a widget that shows ``value``, which must be its default, too.

    Writing into the session's state instead, as Streamlit suggests, tells the browser once. If the next drawing comes
    before the browser has looked, it never learns of it, shows the least value, and sends that with the next click as
    if it had been chosen. So a widget that shows something else than it should becomes another one, which begins with
    the right value; what a browser still sends of the former one changes nothing.
    """
    number, before = _given().get(name, (0, value))
    # A drawing that broke off before it came to this widget has made the server forget it; the browser has it still.
    if not _is_same(current_value(name, before), value):
        number += 1
    _given()[name] = number, value
    return _current(name)


def current_value(name: str, default: Any = None) -> Any:
    """What the widget of that name shows; ``default`` if it is not on the page."""
    return st.session_state.get(_current(name), default)


def _current(name: str) -> str:
    number, _ = _given().get(name, (0, None))
    return f"{name} ·{number}" if number else name


def _given() -> dict[str, tuple[int, Any]]:
    """By name, the number of the widget and what it was to show."""
    given: dict[str, tuple[int, Any]] = st.session_state.setdefault("widgets", {})
    return given


def _is_same(now: Any, value: Any) -> bool:
    """Texts keep ten digits of a number; turning a slider must not take the focus from it for the eleventh."""
    if isinstance(now, float) and isinstance(value, float):
        return math.isclose(now, value, rel_tol=1e-9)
    return bool(now == value)
