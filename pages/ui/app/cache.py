"""Process-wide cache of values derived from finished runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import streamlit as st

MAX_ENTRIES = 128  # the largest, images of a hundred classes, take a megabyte

T = TypeVar("T")


def cached(key: str, compute: Callable[[], T]) -> T:
    """Return the value of ``compute()``, computed once per ``key`` for all sessions.

    Every caller gets its own copy. The key must name everything that the value depends on. ``compute`` returns plain
    values and must not draw.
    """
    value: T = _compute(key, compute)
    return value


@st.cache_data(max_entries=MAX_ENTRIES, show_spinner=False)
def _compute(key: str, _function: Callable[[], Any]) -> Any:  # noqa: ARG001  # the underscore keeps it out of the key
    return _function()
