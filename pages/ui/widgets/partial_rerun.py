"""Partial reruns of the form, which redraw a changed number and the outputs that depend on it.

Every widget is a message to the browser and the form has dozens, so redrawing all of it takes longer than a click may.
Most changed numbers change no other widget. So numbers are fragments, alone or in groups, and a group also draws the
outputs that depend on it: the loss formula belongs to the numbers of the method. Every other widget, and a number that
changes more than its outputs, reruns the whole page.

The form itself is no fragment. When a fragment reruns before the browser has received all of it, Streamlit drops its
unsent messages but not those of the fragments inside it, and the browser fails on messages for containers that it does
not have.
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

Compute = Callable[[RunConfig], Any]  # returns plain values, which are compared by their repr
Draw = Callable[[Any], None]
Dependency = TypeVar("Dependency", bound=Compute)
Containers = dict[str, DeltaGenerator]  # by the name of an output

NUMBER_KINDS = ("number", "whole")
_outputs: dict[str, tuple[Compute, Draw]] = {}
_figures: dict[str, Compute] = {}
_layout_dependencies: list[Compute] = []
_containers: ContextVar[Containers] = ContextVar("containers of the outputs in the form that is being drawn")
_fragment: ContextVar[str] = ContextVar("key of the fragment that is being drawn", default="")


def output(compute: Compute) -> Callable[[Draw], Callable[[], None]]:
    """Decorate a function that draws the value of ``compute(config)``.

    The decorated function takes no argument and reserves the place of the output. It is filled by the fragment of the
    numbers to which :func:`draw_with_outputs` assigns it by the name of the function.
    """

    def decorate(draw: Draw) -> Callable[[], None]:
        _outputs[draw.__name__] = compute, draw

        def body() -> None:
            _containers.get()[draw.__name__] = st.container()

        return body

    return decorate


def figure(compute: Compute) -> Callable[[Draw], Callable[[], None]]:
    """Decorate a function that draws the value of ``compute(config)``, which may depend on any number.

    The decorated function takes no argument and is a fragment that :func:`on_change` reruns when the value changes.
    """

    def decorate(draw: Draw) -> Callable[[], None]:
        key = f"figure {draw.__module__} {draw.__name__}"
        _figures[key] = compute

        def body() -> None:
            value = compute(settings.current()[0])
            draw(value)
            st.session_state["drawn"][key] = repr(value)

        body.__qualname__ = draw.__qualname__
        return st.fragment(catch_errors(body), key=key)

    return decorate


def layout_dependency(compute: Dependency) -> Dependency:
    """Declare a value that the layout of the form depends on, besides the settings that are not numbers."""
    _layout_dependencies.append(compute)
    return compute


def begin_form() -> None:
    """Mark the form as incomplete, so that every change until :func:`end_form` reruns the page."""
    for name in ("layout", "is changed"):
        st.session_state.pop(name, None)
    st.session_state["drawn"], st.session_state["fragments"] = {}, {}
    _containers.set({})


def end_form() -> None:
    """Mark the form as complete."""
    st.session_state["layout"] = _layout(*settings.current())


def draw_with_outputs(draw: Callable[[], None], *names: str) -> None:
    """Draw a group of widgets and the outputs ``names`` as one fragment.

    ``draw`` must read the settings itself, since it is called again in partial reruns. The outputs' places must have
    been reserved before.
    """
    key = f"outputs {' '.join(names)}"
    st.fragment(catch_errors(_draw_fragment), key=key)(key, draw, {name: _containers.get()[name] for name in names})


def draw_setting(flat: str, draw: Callable[[], None]) -> None:
    """Draw the widget of one setting, whose callback is :func:`on_change`.

    ``draw`` must read the settings itself, since it is called again in partial reruns. A number outside of a group
    becomes a fragment.
    """
    key = f"setting {flat}"
    if (group := _fragment.get()) or flat not in _numbers(st.session_state["settings"]):
        st.session_state["fragments"][flat] = group
        draw()
    else:
        st.session_state["fragments"][flat] = key
        st.fragment(catch_errors(_draw_fragment), key=key)(key, draw, {})


def on_change(name: str, text: str) -> None:
    """Change one setting, as a widget's ``on_change``, and rerun its fragment with the figures that change."""
    settings.set_option(name, text)
    st.session_state["is changed"] = True
    config, refused = settings.current()
    if st.session_state.get("layout") != _layout(config, refused):
        return
    drawn = st.session_state["drawn"]
    if keys := [key for key, compute in _figures.items() if key in drawn and drawn[key] != repr(compute(config))]:
        st.rerun([st.session_state["fragments"][name], *keys])


def full_rerun() -> None:
    """Do nothing, as the ``on_click`` of every button of the form.

    A callback that returns makes Streamlit rerun the whole page. Without one, a number changed at the same moment may
    request a rerun of figures, which would drop the click.
    """


def _draw_fragment(key: str, draw: Callable[[], None], containers: Containers) -> None:
    is_changed = st.session_state.pop("is changed", False)
    config, refused = settings.current()
    if is_changed and st.session_state.get("layout") != _layout(config, refused):
        st.rerun()
    token = _fragment.set(key)
    draw()
    _fragment.reset(token)
    drawn = st.session_state["drawn"]
    for name, container in containers.items():
        compute, draw_output = _outputs[name]
        value = compute(config)
        with container:
            catch_errors(draw_output)(value)
        drawn[name] = repr(value)
    if not is_changed:
        return
    # Outputs of other fragments cannot be drawn here.
    if any(drawn.get(name) != repr(compute(config)) for name, (compute, _) in _outputs.items() if name in drawn):
        st.rerun()
    # Written last, since the browser goes over all elements of the page when the URL changes.
    settings.write_url()


def _layout(config: RunConfig, refused: list[str]) -> str:
    """Return everything that the layout of the form depends on, as text."""
    texts = st.session_state["settings"]
    others = sorted((name, text) for name, text in texts.items() if name not in _numbers(texts))
    return repr((others, refused, settings.link_errors(), [compute(config) for compute in _layout_dependencies]))


def _numbers(texts: dict[str, str]) -> set[str]:
    """Return the settings that no other widget depends on, such as numbers of the method, of recipes and labels.

    Numbers of data sets, networks and schemes are not among them, since they decide which choices fit together.
    """
    kinds: list[tuple[type[Any], str]] = [(kind, prefix) for _, kind, prefix in OPTION_GROUPS]
    kinds += [(find_plugin(group, texts[name]), prefix) for name, group, prefix in PLUGIN_FIELDS if name == "method"]
    return {
        prefix + name
        for kind, prefix in kinds
        for name, option in options_of(kind).items()
        if option.kind in NUMBER_KINDS
    }
