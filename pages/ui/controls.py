"""Turns options into widgets: the only module that does. A new option of the engine gets its widget here, unasked."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from kd_core.catalogue import members
from kd_core.options import Option, as_text, in_words, options_of
from pages.ui import answers, settings

Changed = Callable[[str, str], None]  # (flat name, new text)
IDLE = "Nothing in the loss depends on it now."


def member(
    name: str,
    group: str,
    label: str,
    refusals: Mapping[str, str] | None = None,
    titles: Mapping[str, str] | None = None,
) -> None:
    """A select box for one choice of ``group``, in the order of ``titles`` if they are given.

    A choice with a refusal is not offered, but stays in the box while the settings name it.
    """
    refused = {key for key, refusal in (refusals or {}).items() if refusal}
    known = dict(titles or {key: cls.title for key, cls in members(group).items()})
    current = st.session_state["settings"][name]
    offered = [key for key in known if key == current or key not in refused]
    _put(f"set {name}", current if current in offered else offered[0])
    st.selectbox(
        label,
        offered,
        key=f"set {name}",
        format_func=lambda key: known[key],
        on_change=apply,
        args=(name, f"set {name}", settings.choose),
    )


def options(
    cls: type[Any],
    prefix: str = "",
    only: tuple[str, ...] = (),
    classes: tuple[str, ...] = (),
    *,
    columns: int = 1,
    called: str = "",
) -> None:
    """A widget for every option of ``cls``, or for ``only`` some, in that order; ``called`` says whose they are.

    In several columns switches come last, on lines of their own: their labels stand beside them.
    """
    texts = st.session_state["settings"]
    declared_all = options_of(cls)
    wanted = [(name, declared_all[name]) for name in only or declared_all]
    if columns > 1:
        wanted.sort(key=lambda item: item[1].kind == "switch")
    places = [st.container()]
    for number, (name, declared) in enumerate(wanted):
        if declared.kind == "switch":
            places = [st.container()] * columns
        elif columns > 1 and number % columns == 0:
            places = st.columns(columns, gap="small", vertical_alignment="bottom")
        text = texts.get(prefix + name, as_text(cls.__dataclass_fields__[name].default))
        with places[number % columns]:
            option(prefix + name, name, declared, text, answers.turn, classes=classes, called=called)


def is_slider(declared: Option) -> bool:
    """Whether one turns it rather than types it; it wants more room than a box."""
    return declared.ends != ("", "")


def option(
    flat: str,
    name: str,
    declared: Option,
    text: str,
    changed: Changed,
    *,
    classes: tuple[str, ...] = (),
    place: str = "set",
    matters: bool = True,
    called: str = "",
) -> None:
    """The widget of one option, showing ``text``; calls ``changed(flat, new text)``.

    One that does not matter now, because nothing depends on it, cannot be moved and says so.
    """
    key, label = f"{place} {flat}", in_words(name, declared, called)
    note = "" if matters else f"{IDLE} "
    common: dict[str, Any] = {"key": key, "on_change": apply, "args": (flat, key, changed)}
    common |= {"help": note + declared.help, "disabled": not matters}
    try:
        value = declared.check(name, text)
    except ValueError:
        value = None
    if declared.kind == "switch":
        _put(key, bool(value))
        st.checkbox(label, **common)
    elif declared.kind == "choice":
        _put(key, value or declared.choices[0])
        st.selectbox(label, declared.choices, **common)
    elif declared.kind == "class":
        names = ("none", *classes)
        _put(key, value if value in names else "none")
        st.selectbox(label, names, **common)
    elif declared.kind in ("widths", "text"):
        _put(key, text)
        st.text_input(label, **common)
    elif is_slider(declared):
        _slider(key, label, declared, value, common)
    else:
        _number(key, label, declared, text, common)


def _slider(key: str, label: str, declared: Option, value: float | None, common: dict[str, Any]) -> None:
    """For what one turns rather than types; the meaning of both ends stands under it."""
    _put(key, declared.low if value is None else value)
    st.slider(label, declared.low, declared.high, step=declared.step, **common)
    if common["disabled"]:
        st.caption(IDLE)
        return
    left, right = declared.ends
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.caption(f"{declared.low:g} · {left}")
        st.caption(f"{right} · {declared.high:g}", text_alignment="right")


def _number(key: str, label: str, declared: Option, text: str, common: dict[str, Any]) -> None:
    """A box without bounds of its own: the engine answers a value out of range, by name and with the range."""
    typed = _as_typed(text)
    if declared.kind == "whole":
        _put(key, int(typed))
        st.number_input(label, step=int(declared.step), **common)
    else:
        _put(key, float(typed))
        st.number_input(label, step=float(declared.step), format="%.6g" if declared.log else "%.2f", **common)


def _as_typed(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0


def _put(key: str, value: Any) -> None:
    """Makes a widget show ``value``: the settings decide, the widget follows."""
    if st.session_state.get(key) != value:
        st.session_state[key] = value


def apply(flat: str, key: str, changed: Changed) -> None:
    """For ``on_change``: tells ``changed`` what the widget ``key`` shows now."""
    value = st.session_state[key]
    if value is not None:
        changed(flat, as_text(value))
