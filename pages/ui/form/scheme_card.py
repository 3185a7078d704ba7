"""The scheme on the form: which arrangements there are, the options of the chosen one, and what is known about it."""

from __future__ import annotations

import streamlit as st

from kd_core.base.options import options_of
from kd_core.base.registry import Member, find, members
from kd_core.schemes import FAMILIES, Scheme
from pages.ui.app.errors import beside
from pages.ui.text.escape import plain
from pages.ui.widgets import options as controls


def choose(refused: list[str]) -> None:
    """The select box with the scheme's idea, what is wrong with it, and its options beside it."""
    cls = named()
    choice, options = st.columns(2, gap="medium")
    with choice:
        controls.member("scheme", "schemes", "Who teaches whom", titles=titles())
        beside(refused, {"scheme", *options_of(cls)})
        st.caption(cls.idea)
    with options:
        controls.options(cls, columns=2)


def named() -> type[Scheme]:
    """The scheme that the settings name, whether or not it goes with the others."""
    cls = find("schemes", st.session_state["settings"]["scheme"])
    assert issubclass(cls, Scheme)
    return cls


def titles() -> dict[str, str]:
    """Every scheme by name, as it is listed: family by family, a family's namesake first."""

    def is_namesake(cls: type[Member]) -> bool:
        return cls.title.lower() == cls.family

    def place(name: str) -> tuple[int, bool, str]:
        cls = found[name]
        family = FAMILIES.index(cls.family) if cls.family in FAMILIES else len(FAMILIES)
        return family, not is_namesake(cls), cls.title

    found = members("schemes")
    listed = {name: found[name] for name in sorted(found, key=place)}
    return {
        name: cls.title if is_namesake(cls) else f"{cls.family.capitalize()} · {cls.title}"
        for name, cls in listed.items()
    }


def about(cls: type[Scheme]) -> None:
    """What its class says beyond its idea, folded."""
    with st.expander("About this arrangement"):
        st.markdown(f"**From** · {plain(cls.paper)}")
        of = cls.compares
        among = of.among.format(omitted="the class left out")
        what = f"the share recognised of {among}, by" if among else f"the {of.measure} of"
        on = "" if among else f", {of.on}"
        st.markdown(
            f"**The verdict** · compares {plain(what)} “{plain(of.role)}” ({plain(of.name)}) with that "
            f"{'by' if among else 'of'} “{plain(of.control)}” ({plain(of.control_name)}){plain(on)}."
        )
