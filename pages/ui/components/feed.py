"""Incremental updates of browser components, with only the frames that the browser does not have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from pages.ui.components import component

SENT_ONCE = ("points", "images", "sheet", "splits")  # with the first frames of a run; the component stores them


def mount(name: str, run: str, frames: Sequence[dict[str, Any]], key: str = "", **options: Any) -> Any:
    """Show ``frames`` of ``run``; ``on_..._change`` options are callbacks, all others are fields of the payload."""
    callbacks = {key: value for key, value in options.items() if key.startswith("on_")}
    fields = {key: value for key, value in options.items() if not key.startswith("on_")}
    key = key or f"{name} of {run}"
    sent: dict[str, tuple[str, int]] = st.session_state.setdefault("sent", {})
    last_run, count = sent.get(key, (run, 0))
    start = min(count, len(frames)) if last_run == run else 0
    if start:
        fields = {name: value for name, value in fields.items() if name not in SENT_ONCE}
    sent[key] = (run, len(frames))
    data = {"run": run, "from": start, "frames": frames[start:], **fields}
    return component(name)(key=key, data=data, on_resync_change=_resync(key), **callbacks)


def _resync(key: str) -> Callable[[], None]:
    def callback() -> None:
        count = getattr(st.session_state.get(key), "resync", None)
        if count is not None:  # the number of frames that the browser has
            st.session_state["sent"][key] = (st.session_state["sent"][key][0], count)

    return callback
