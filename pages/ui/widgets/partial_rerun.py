"""What the form says to a turn of a number: parts of it that are drawn again alone, while all other widgets stand.

A widget is a message to the browser and the form has dozens, so drawing it as a whole is what a click would wait for.
Most turns change no widget but the one in hand. So numbers are fragments, each alone or with those that belong
together, and draw beside themselves what they own of the answers: the formula belongs to the numbers of the method.
Any other turn, and one that changes more than that, draws the whole page.

The form around them is no fragment: of one that is drawn again before the browser has all of it, Streamlit drops what
it has not sent, but not what the fragments within it have said; the browser finds no place for that, and the page ends.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from kd_core.base.options import options_of
from kd_core.base.registry import find_plugin
from kd_core.config.run import OPTION_GROUPS, PLUGIN_FIELDS, RunConfig
from pages.ui.app import settings
from pages.ui.app.errors import catch_errors

Says = Callable[[RunConfig], Any]  # plain values: what an answer is drawn from
Draws = Callable[[Any], None]
Standing = TypeVar("Standing", bound=Says)
Places = dict[str, DeltaGenerator]  # by the name of an answer

NUMBERS = ("number", "whole")
_answers: dict[str, tuple[Says, Draws]] = {}
_pictures: dict[str, Says] = {}
_standing: list[Says] = []
_places: ContextVar[Places] = ContextVar("where the answers of the form that is being drawn stand")
_together: ContextVar[str] = ContextVar("the fragment of the numbers that are being drawn together", default="")


def output(says: Says) -> Callable[[Draws], Callable[[], None]]:
    """Makes of a function that draws what ``says`` returns one that needs no argument and keeps the place; it is drawn
    by those numbers that own it (:func:`draw_with_outputs`), by its name."""

    def named(draw: Draws) -> Callable[[], None]:
        _answers[draw.__name__] = says, draw

        def body() -> None:
            _places.get()[draw.__name__] = st.container()

        return body

    return named


def figure(says: Says) -> Callable[[Draws], Callable[[], None]]:
    """The same for what may change with any number: a fragment of its own, which a turn asks for
    (:func:`on_change`)."""

    def named(draw: Draws) -> Callable[[], None]:
        key = f"picture {draw.__module__} {draw.__name__}"
        _pictures[key] = says

        def body() -> None:
            said = says(settings.current()[0])
            draw(said)
            _note(key, said)

        body.__qualname__ = draw.__qualname__
        return st.fragment(catch_errors(body), key=key)

    return named


def layout_dependency(says: Standing) -> Standing:
    """Declares what widgets and their surroundings are drawn from, beside the settings that are no numbers."""
    _standing.append(says)
    return says


def begin_form() -> None:
    """The form is being drawn: until it stands, every turn draws it again."""
    for name in ("stands", "turned"):
        st.session_state.pop(name, None)
    st.session_state["answered"], st.session_state["drawn by"] = {}, {}
    _places.set({})


def end_form() -> None:
    """The form is drawn, to the end."""
    st.session_state["stands"] = _ground(*settings.current())


def draw_with_outputs(draw: Callable[[], None], *names: str) -> None:
    """Draws widgets that belong together, and with them the answers that depend on them; ``draw`` reads the settings
    each time. The places of the answers are there already."""
    key = f"owning {' '.join(names)}"
    st.fragment(catch_errors(_numbers_alone), key=key)(key, draw, {name: _places.get()[name] for name in names})


def draw_setting(flat: str, draw: Callable[[], None]) -> None:
    """Draws the widget of one setting, whose callback is :func:`on_change`; ``draw`` reads the settings each time."""
    key = f"asked {flat}"
    if (own := _together.get()) or flat not in _numbers(st.session_state["settings"]):
        st.session_state["drawn by"][flat] = own
        draw()
    else:
        st.session_state["drawn by"][flat] = key
        st.fragment(catch_errors(_numbers_alone), key=key)(key, draw, {})


def on_change(name: str, text: str) -> None:
    """Changes one setting, for ``on_change``. Raises Streamlit's order to draw the pictures that change with it."""
    settings.set_option(name, text)
    st.session_state["turned"] = True
    config, refused = settings.current()
    if st.session_state.get("stands") != _ground(config, refused):
        return
    drawn = st.session_state["answered"]
    if others := [key for key, says in _pictures.items() if key in drawn and drawn[key] != _trace(says(config))]:
        st.rerun([st.session_state["drawn by"][name], *others])


def full_rerun() -> None:
    """For ``on_click`` of every button of the form. A number that was turned in the same moment may ask for pictures,
    and the click would be lost; what a callback asks for that returns, the whole page, goes first."""


def _numbers_alone(key: str, draw: Callable[[], None], places: Places) -> None:
    is_turned = st.session_state.pop("turned", False)
    config, refused = settings.current()
    if is_turned and st.session_state.get("stands") != _ground(config, refused):
        st.rerun()
    before = _together.set(key)
    draw()
    _together.reset(before)
    for name, place in places.items():
        says, fill = _answers[name]
        said = says(config)
        with place:
            catch_errors(fill)(said)
        _note(name, said)
    if is_turned:
        _finish(config, refused)


def _finish(config: RunConfig, refused: list[str]) -> None:
    """Writes the address: after the answers, since it makes the browser go over everything once more. If an answer of
    somebody else says something else now, the page is drawn."""
    drawn = st.session_state["answered"]
    if any(drawn.get(name) != _trace(says(config)) for name, (says, _) in _answers.items() if name in drawn):
        st.rerun()
    settings.write_url(config, st.query_params.get("run"), refused)


def _note(key: str, said: Any) -> None:
    st.session_state.setdefault("answered", {})[key] = _trace(said)


def _ground(config: RunConfig, refused: list[str]) -> str:
    texts = st.session_state["settings"]
    kept = sorted((name, text) for name, text in texts.items() if name not in _numbers(texts))
    return _trace((kept, refused, settings.link_errors(), [says(config) for says in _standing]))


def _numbers(texts: dict[str, str]) -> set[str]:
    """The settings that decide over no other widget: numbers of the method, of recipes, labels and the like.

    Those of data, networks and schemes are none of them: what goes with what depends on them.
    """
    kinds: list[tuple[type[Any], str]] = [(kind, prefix) for _, kind, prefix in OPTION_GROUPS]
    kinds += [(find_plugin(group, texts[name]), prefix) for name, group, prefix in PLUGIN_FIELDS if name == "method"]
    return {
        prefix + name for kind, prefix in kinds for name, option in options_of(kind).items() if option.kind in NUMBERS
    }


def _trace(said: Any) -> str:
    """Plain values as text, to be compared: what a session keeps is no object of the engine."""
    return repr(said)
