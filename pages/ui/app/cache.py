"""What follows from a run that is over, and from nothing else, is worked out for the first who looks at it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import streamlit as st

KEPT = 128  # answers; the largest, pictures of a hundred classes, take a megabyte

T = TypeVar("T")


def cached(key: str, compute: Callable[[], T]) -> T:
    """What ``compute`` returned to the first session that asked for this ``key``, as a copy of the asker's own.

    The key names everything that the answer depends on. Plain values alone: nothing here may draw on a page.
    """
    found: T = _once(key, compute)
    return found


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _once(key: str, _work_out: Callable[[], Any]) -> Any:  # noqa: ARG001
    return _work_out()
