"""The settings of the Temperature page, kept in the address alone: read from it, written to it, refused in words."""

from __future__ import annotations

from typing import Any

import streamlit as st

from kd_core.lens import Lens
from kd_core.options import as_text, options_of, read
from pages.ui.words import plain

_SETTINGS = tuple(options_of(Lens))
RESERVED = ("run", "autoplay", "embed", "embed_options")  # parameters that are no setting


def restore() -> None:
    """Back from another page by the menu: the address is what it was. Call before anything reads it."""
    if not st.query_params and st.session_state.get("lens"):
        st.query_params.from_dict(st.session_state["lens"])
    _remember()


def current(classes: tuple[str, ...], usual: dict[str, Any]) -> Lens:
    """What the address asks for; a setting that cannot be used is named on the screen and replaced by the usual one."""
    given = {name: text for name, text in st.query_params.items() if name not in RESERVED}
    values, refused = read(Lens, given)
    refused += [f"{name}: there is no such setting." for name in given if name not in options_of(Lens)]
    lens = Lens(**(usual | values))
    if unknown := lens.fit(classes):
        refused += unknown
        lens = lens.with_values(**{line.split(" ", 1)[0]: "none" for line in unknown})
    for line in refused:
        st.error(f"The link asks for something that does not exist: {plain(line)} The usual value is shown instead.")
    return lens


def look(**changes: Any) -> None:
    """Writes settings into the address; a usual value needs no word there."""
    for name, value in changes.items():
        if value == Lens.__dataclass_fields__[name].default and name != "alpha":
            st.query_params.pop(name, None)
        else:
            st.query_params[name] = as_text(value)
    _remember()


def _remember() -> None:
    st.session_state["lens"] = {name: text for name, text in st.query_params.items() if name in ("run", *_SETTINGS)}
