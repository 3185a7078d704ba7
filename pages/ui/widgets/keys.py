"""Widget keys that change when a widget must show another value than its user chose."""

from __future__ import annotations

import math
from typing import Any

import streamlit as st


def key(name: str, value: Any) -> str:
    """Return the key of a widget that shows ``value``, which must also be its default.

    The typical way, writing the value into the session state, sends it to the browser once. If the script reruns before
    the browser has received it, the browser keeps the widget's lowest value and sends that with the next click as if it
    had been chosen. So a widget that must show another value becomes a new widget with that value as its default, and
    what a browser still sends for the old one is ignored.
    """
    version, previous = _versions().get(name, (0, value))
    # If a script run ended before it drew this widget, the server has forgotten its value and the browser has not.
    if not _is_equal(current_value(name, previous), value):
        version += 1
    _versions()[name] = version, value
    return _versioned(name)


def current_value(name: str, default: Any = None) -> Any:
    """Return the value of the widget ``name``, or ``default`` if it is not on the page."""
    return st.session_state.get(_versioned(name), default)


def _versioned(name: str) -> str:
    version, _ = _versions().get(name, (0, None))
    return f"{name} ·{version}" if version else name


def _versions() -> dict[str, tuple[int, Any]]:
    """Return the version and the last intended value of every widget, by name."""
    versions: dict[str, tuple[int, Any]] = st.session_state.setdefault("widgets", {})
    return versions


def _is_equal(current: Any, value: Any) -> bool:
    """Compare floats with a tolerance, since settings are text of ten digits and a slider must keep the focus."""
    if isinstance(current, float) and isinstance(value, float):
        return math.isclose(current, value, rel_tol=1e-9)
    return bool(current == value)
