"""Part of the form that chooses the distillation scheme and its options."""

from __future__ import annotations

import streamlit as st

from kd_core.base.options import options_of
from kd_core.base.registry import Plugin, find_plugin, full_title, plugins
from kd_core.schemes import FAMILIES, Scheme
from pages.ui.app.errors import show_refusals
from pages.ui.app.settings import CARDS
from pages.ui.text.escape import escape_markdown
from pages.ui.widgets import options


def choose(refused: list[str]) -> None:
    """Draw the select box with the scheme's summary and errors, and the scheme's options beside it."""
    cls = selected_scheme()
    left, right = st.columns(2, gap="medium")
    with left:
        options.plugin_select("scheme", "schemes", CARDS["scheme"], titles=titles())
        show_refusals(refused, {"scheme", *options_of(cls)})
        if cls.summary:
            st.caption(cls.summary)
    with right:
        options.options(cls, columns=2)


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


def about(cls: type[Scheme]) -> None:
    """Draw an expander with the scheme's paper and the two networks that its result compares."""
    comparison = cls.comparison
    among = comparison.among.format(omitted="the held-out class")
    measure = f"recall of {among}" if among else comparison.measure
    on = "" if among else f", {comparison.on}"
    with st.expander("About this scheme"):
        if cls.paper:
            st.markdown(f"**Paper** · {escape_markdown(cls.paper)}")
        st.markdown(
            f"**Result** · compares the {escape_markdown(measure)} of “{escape_markdown(comparison.role)}” "
            f"({escape_markdown(comparison.name)}) with that of “{escape_markdown(comparison.control)}” "
            f"({escape_markdown(comparison.control_name)}){escape_markdown(on)}."
        )
