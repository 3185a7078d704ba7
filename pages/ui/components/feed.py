"""Mounting of browser components: only the frames that a component lacks are sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from pages.ui.components import component

HEAVY = ("points", "images", "sheet", "splits")  # the component keeps them; they are sent with the first frames only


def mount(name: str, run: str, frames: Sequence[dict[str, Any]], key: str = "", **options: Any) -> Any:
    """Show ``frames`` of ``run``; ``on_..._change`` callbacks go to the component, every other option to its data."""
    callbacks = {key: value for key, value in options.items() if key.startswith("on_")}
    static = {key: value for key, value in options.items() if not key.startswith("on_")}
    key = key or f"{name} of {run}"
    sent: dict[str, tuple[str, int]] = st.session_state.setdefault("sent", {})
    before, count = sent.get(key, (run, 0))
    start = min(count, len(frames)) if before == run else 0
    if start:
        static = {name: value for name, value in static.items() if name not in HEAVY}
    sent[key] = (run, len(frames))
    data = {"run": run, "from": start, "frames": frames[start:], **static}
    return component(name)(key=key, data=data, on_resync_change=_resync(key), **callbacks)


def _resync(key: str) -> Callable[[], None]:
    def callback() -> None:
        count = getattr(st.session_state.get(key), "resync", None)
        if count is not None:  # an update was lost, or the page is new: continue from what the browser has
            st.session_state["sent"][key] = (st.session_state["sent"][key][0], count)

    return callback
