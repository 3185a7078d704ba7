"""The address of the Temperature page: its settings are read from there, written there, and refused in words."""

from __future__ import annotations

import time
from typing import Any

import streamlit as st

from kd_core.base.options import as_text, options_of, parse_options, shorten
from pages.ui.temperature.settings import TemperatureOptions
from pages.ui.text.escape import escape_markdown

_SETTINGS = tuple(options_of(TemperatureOptions))
RESERVED = ("run", "autoplay", "embed", "embed_options")  # parameters that are no setting
SHOWN = 5  # settings that do not exist
LATE = 2.0  # seconds
LOGIT_FIELDS = ("teacher_logits", "student_logits")


def restore() -> None:
    """Makes the address what it should be. Call before anything reads it.

    Back from another page by the menu, it is what it was. And a browser that asks for the next picture of a run may not
    have heard yet what was just chosen: an address that was right until a moment ago is no wish to go back to it.
    """
    now, url = dict(st.session_state.get("address", {})), dict(st.query_params.items())
    past = [(when, old) for when, old in st.session_state.get("past addresses", []) if when > time.monotonic() - LATE]
    st.session_state["past addresses"] = past
    if url != now and ((not url and "run" in now) or any(old == url for _, old in past)):
        st.query_params.from_dict(now)
    _remember()


def current(classes: tuple[str, ...], examples: int, usual: dict[str, Any]) -> TemperatureOptions:
    """What the address asks for; a setting that cannot be used is named on the screen and replaced by the usual one."""
    given = {name: text for name, text in st.query_params.items() if name not in RESERVED}
    values, refused = parse_options(TemperatureOptions, given)
    if any(name in given and name not in values for name in LOGIT_FIELDS):  # the two belong together
        values = {name: value for name, value in values.items() if name not in LOGIT_FIELDS}
    lens = TemperatureOptions(**(usual | values))
    unfit = lens.fit(classes, examples)
    lens = lens.with_values(**{name: TemperatureOptions.__dataclass_fields__[name].default for name in unfit})
    unknown = [f"There is no setting called {shorten(name)}." for name in given if name not in _SETTINGS]
    if lines := [*refused, *unfit.values(), *unknown[:SHOWN]]:
        listed = "".join(f"\n- {escape_markdown(line)}" for line in lines)
        st.error(f"The link asks for what cannot be had. The usual is shown instead.\n{listed}")
    return lens


def update_url(**changes: Any) -> None:
    """Writes settings into the address, all at once; a usual value needs no word there."""
    before = dict(st.query_params.items())
    after = dict(before)
    for name, value in changes.items():
        if value == TemperatureOptions.__dataclass_fields__[name].default and name != "alpha":
            after.pop(name, None)
        else:
            after[name] = as_text(value)
    if after != before:
        st.session_state.setdefault("past addresses", []).append((time.monotonic(), before))
        st.query_params.from_dict(after)
    _remember()


def _remember() -> None:
    known = ("run", *_SETTINGS)
    st.session_state["address"] = {name: text for name, text in st.query_params.items() if name in known}
