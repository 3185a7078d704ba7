"""The scheme on the form: which arrangements there are, the options of the chosen one, and what is known about it."""

from __future__ import annotations

import streamlit as st

from kd_core.base.options import options_of
from kd_core.base.registry import Plugin, find_plugin, full_title, plugins
from kd_core.schemes import FAMILIES, Scheme
from pages.ui.app.errors import show_refusals
from pages.ui.text.escape import escape_markdown
from pages.ui.widgets import options as controls


def choose(refused: list[str]) -> None:
    """The select box with the scheme's idea, what is wrong with it, and its options beside it."""
    cls = selected_scheme()
    choice, options = st.columns(2, gap="medium")
    with choice:
        controls.plugin_select("scheme", "schemes", "Who teaches whom", titles=titles())
        show_refusals(refused, {"scheme", *options_of(cls)})
        if cls.summary:
            st.caption(cls.summary)
    with options:
        controls.options(cls, columns=2)


def selected_scheme() -> type[Scheme]:
    """The scheme that the settings name, whether or not it goes with the others."""
    cls = find_plugin("schemes", st.session_state["settings"]["scheme"])
    assert issubclass(cls, Scheme)
    return cls


def titles() -> dict[str, str]:
    """Every scheme by name, as it is listed: family by family, a family's namesake first."""

    def is_namesake(cls: type[Plugin]) -> bool:
        return cls.title.lower() == cls.family

    def place(name: str) -> tuple[int, bool, str]:
        cls = found[name]
        family = FAMILIES.index(cls.family) if cls.family in FAMILIES else len(FAMILIES)
        return family, not is_namesake(cls), cls.title

    found = plugins("schemes")
    listed = {name: found[name] for name in sorted(found, key=place)}
    return {
        name: full_title(cls) if is_namesake(cls) else f"{cls.family.capitalize()} · {full_title(cls)}"
        for name, cls in listed.items()
    }


def about(cls: type[Scheme]) -> None:
    """What its class says beyond its idea, folded."""
    with st.expander("About this arrangement"):
        if cls.paper:
            st.markdown(f"**From** · {escape_markdown(cls.paper)}")
        of = cls.comparison
        among = of.among.format(omitted="the class left out")
        what = f"the share recognised of {among}, by" if among else f"the {of.measure} of"
        on = "" if among else f", {of.on}"
        st.markdown(
            f"**The verdict** · compares {escape_markdown(what)} “{escape_markdown(of.role)}” "
            f"({escape_markdown(of.name)}) with that "
            f"{'by' if among else 'of'} “{escape_markdown(of.control)}” "
            f"({escape_markdown(of.control_name)}){escape_markdown(on)}."
        )
