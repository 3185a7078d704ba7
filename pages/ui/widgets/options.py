"""Turns options into widgets: the only module that does. A new option of the engine gets its widget here, unasked."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from kd_core.base.options import Option, as_text, option_label, options_of
from kd_core.base.registry import full_title, plugins
from pages.ui.app import settings
from pages.ui.widgets import keys, partial_rerun

Changed = Callable[[str, str], None]  # (flat name, new text)
IDLE = "Nothing in the loss depends on it now."


def plugin_select(
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
    known = dict(titles or {key: full_title(cls) for key, cls in plugins(group).items()})
    current = st.session_state["settings"][name]
    offered = [key for key in known if key == current or key not in refused]
    shown = current if current in offered else offered[0]
    st.selectbox(
        label,
        offered,
        offered.index(shown),
        key=keys.key(f"set {name}", shown),
        format_func=lambda key: known[key],
        on_change=apply,
        args=(name, f"set {name}", settings.set_option),
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
        usual = as_text(cls.__dataclass_fields__[name].default)
        with places[number % columns]:
            setting(prefix + name, name, declared, usual, classes=classes, called=called)


def setting(flat: str, name: str, declared: Option, default: str, **look: Any) -> None:
    """The widget of one setting of the form: as it is chosen, or as is ``default``. See :func:`option`."""

    def draw() -> None:
        option(flat, name, declared, st.session_state["settings"].get(flat, default), partial_rerun.on_change, **look)

    partial_rerun.draw_setting(flat, draw)


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
    at, label = f"{place} {flat}", option_label(name, declared, called)
    note = "" if matters else f"{IDLE} "
    shown = _shown(name, declared, text, classes)
    common: dict[str, Any] = {"key": keys.key(at, shown), "on_change": apply, "args": (flat, at, changed)}
    common |= {"help": note + declared.help, "disabled": not matters}
    if declared.kind == "switch":
        st.checkbox(label, shown, **common)
    elif declared.kind in ("choice", "class"):
        offered = declared.choices if declared.kind == "choice" else ("none", *classes)
        st.selectbox(label, offered, offered.index(shown), **common)
    elif declared.kind in ("widths", "text"):
        st.text_input(label, shown, **common)
    elif is_slider(declared):
        _slider(label, declared, shown, common)
    elif declared.kind == "whole":
        st.number_input(label, value=shown, step=int(declared.step), **common)
    else:
        precise = "%.6g" if declared.log else "%.2f"
        st.number_input(label, value=shown, step=float(declared.step), format=precise, **common)


def _shown(name: str, declared: Option, text: str, classes: tuple[str, ...]) -> Any:
    """What the widget of an option shows: ``text``, or what comes next to it where no such widget can show that.

    Boxes for numbers have no bounds: the engine answers a value out of range, by name and with the range.
    """
    try:
        value = declared.check(name, text)
    except ValueError:
        value = None
    if declared.kind == "switch":
        return bool(value)
    if declared.kind == "choice":
        return value or declared.choices[0]
    if declared.kind == "class":
        return value if value in classes else "none"
    if declared.kind in ("widths", "text"):
        return text
    if is_slider(declared):
        return declared.low if value is None else value
    return int(_as_typed(text)) if declared.kind == "whole" else _as_typed(text)


def _slider(label: str, declared: Option, shown: float, common: dict[str, Any]) -> None:
    """For what one turns rather than types; the meaning of both ends stands under it."""
    st.slider(label, declared.low, declared.high, shown, step=declared.step, **common)
    if common["disabled"]:
        st.caption(IDLE)
        return
    left, right = declared.ends
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.caption(f"{declared.low:g} · {left}")
        st.caption(f"{right} · {declared.high:g}", text_alignment="right")


def _as_typed(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0


def apply(flat: str, at: str, changed: Changed) -> None:
    """For ``on_change``: tells ``changed`` what the widget ``at`` shows now."""
    value = keys.current_value(at)
    if value is not None:
        changed(flat, as_text(value))
