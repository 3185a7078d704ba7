"""What the form says to a turn of a number: parts of it that are drawn again alone, while all its widgets stand.

A widget is a message to the browser and the form has dozens, so drawing it as a whole is what a click would wait for.
Most turns change no widget but the one in hand. Such a turn writes the address and draws those answers that say
something else now, nothing more. Any other turn draws the whole page, as Streamlit does unasked. The form is no
fragment: of one that is drawn again before the browser has all of it, Streamlit drops what it has not sent, but not
what the fragments within it have said; the browser finds no place for that, and the page ends.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

import streamlit as st
from streamlit.errors import StreamlitAPIException

from kd_core.catalogue import find
from kd_core.config import MEMBERS, OPTION_GROUPS, RunConfig
from kd_core.options import options_of
from pages.ui import settings
from pages.ui.errors import spared

Says = Callable[[RunConfig], Any]  # plain values: what an answer is drawn from
Standing = TypeVar("Standing", bound=Says)

ADDRESS = "address"
NUMBERS = ("number", "whole")
_answers: dict[str, Says] = {}  # in the order of the screen
_standing: list[Says] = []


def answer(says: Says) -> Callable[[Callable[[Any], None]], Callable[[], None]]:
    """Makes of a function that draws what ``says`` returns one that needs no argument: it is drawn again when that
    is something else."""

    def named(draw: Callable[[Any], None]) -> Callable[[], None]:
        key = f"answer {draw.__module__} {draw.__name__}"
        _answers[key] = says

        def body() -> None:
            said = says(settings.current()[0])
            draw(said)
            st.session_state.setdefault("answered", {})[key] = _trace(said)

        body.__qualname__ = draw.__qualname__
        return st.fragment(spared(body), key=key)

    return named


def standing(says: Standing) -> Standing:
    """Declares what widgets and their surroundings are drawn from, beside the settings that are no numbers."""
    _standing.append(says)
    return says


def begin() -> None:
    """The form is being drawn: until it stands, every turn draws it again."""
    st.session_state.pop("stands", None)
    st.session_state["answered"] = {}


def stand() -> None:
    """The form is drawn, to the end."""
    st.session_state["stands"] = _ground(*settings.current())


def turn(name: str, text: str) -> None:
    """Changes one setting, for ``on_change``. Raises Streamlit's order to draw the answers alone where they suffice."""
    settings.choose(name, text)
    if "stands" not in st.session_state:
        return
    config, refused = settings.current()
    if st.session_state["stands"] != _ground(config, refused):
        return
    drawn = st.session_state["answered"]
    others = [key for key in drawn if drawn[key] != _trace(_answers[key](config))]
    with contextlib.suppress(StreamlitAPIException):  # of another page, which has no such answers: it is drawn whole
        st.rerun([*others, ADDRESS])


def whole() -> None:
    """For ``on_click`` of every button of the form. A number that was turned in the same moment asks for the answers
    alone, and the click would be lost; what a callback asks for that returns, the whole page, goes first."""


@st.fragment(key=ADDRESS)
@spared
def address() -> None:
    """Writes the settings into the address. After the answers: a new address makes the browser go over everything."""
    config, refused = settings.current()
    settings.write_link(config, st.query_params.get("run"), refused)


def _ground(config: RunConfig, refused: list[str]) -> str:
    texts = st.session_state["settings"]
    kept = sorted((name, text) for name, text in texts.items() if name not in _numbers(texts))
    return _trace((kept, refused, settings.refused_link(), [says(config) for says in _standing]))


def _numbers(texts: dict[str, str]) -> set[str]:
    """The settings that decide over no other widget: numbers of the method, of recipes, labels and the like.

    Those of data, networks and schemes are none of them: what goes with what depends on them.
    """
    kinds: list[tuple[type[Any], str]] = [(kind, prefix) for _, kind, prefix in OPTION_GROUPS]
    kinds += [(find(group, texts[name]), prefix) for name, group, prefix in MEMBERS if name == "method"]
    return {
        prefix + name for kind, prefix in kinds for name, option in options_of(kind).items() if option.kind in NUMBERS
    }


def _trace(said: Any) -> str:
    """Plain values as text, to be compared: what a session keeps is no object of the engine."""
    return repr(said)
