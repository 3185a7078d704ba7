"""Titles and description of the distillation schemes."""

from __future__ import annotations

import streamlit as st

from kd_core.base.registry import Plugin, find_plugin, full_title, plugins
from kd_core.config.run import RunConfig
from kd_core.schemes import FAMILIES, Scheme
from pages.ui.widgets.text.escape import escape_markdown


def selected_scheme() -> type[Scheme]:
    """Return the scheme that the settings name, whether or not it fits the others."""
    cls = find_plugin("schemes", st.session_state["settings"]["scheme"])
    assert issubclass(cls, Scheme)
    return cls


def titles() -> dict[str, str]:
    """Return the title of every scheme by name, in order of families; a family's namesake comes first in it."""

    def is_namesake(cls: type[Plugin]) -> bool:
        return cls.title.lower() == cls.family

    def order(item: tuple[str, type[Plugin]]) -> tuple[int, bool, str]:
        cls = item[1]
        family = FAMILIES.index(cls.family) if cls.family in FAMILIES else len(FAMILIES)
        return family, not is_namesake(cls), cls.title

    return {
        name: full_title(cls) if is_namesake(cls) else f"{cls.family.capitalize()} · {full_title(cls)}"
        for name, cls in sorted(plugins("schemes").items(), key=order)
    }


def details(_: RunConfig) -> None:
    """Draw the scheme's summary and paper, and the two networks that its result compares."""
    cls = selected_scheme()
    comparison = cls.comparison
    among = comparison.among.format(omitted="the held-out class")
    measure = f"recall of {among}" if among else comparison.measure
    on = "" if among else f", {comparison.on}"
    st.markdown(
        f"{escape_markdown(cls.summary)} The result compares the {escape_markdown(measure)} of "
        f"“{escape_markdown(comparison.role)}” ({escape_markdown(comparison.name)}) with that of "
        f"“{escape_markdown(comparison.control)}” ({escape_markdown(comparison.control_name)}){escape_markdown(on)}."
    )
    if cls.paper:
        st.caption(f"Paper: {escape_markdown(cls.paper)}")
