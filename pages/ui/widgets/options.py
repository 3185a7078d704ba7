"""Widgets generated from option declarations; the only module that turns options into widgets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from kd_core.base.options import Option, as_text, default_of, option_label, options_of
from kd_core.base.registry import FROM_PYTHON, Plugin, find_plugin, full_title, plugins
from kd_core.config.run import PLUGIN_FIELDS
from pages.ui.app import settings
from pages.ui.app.errors import toast_errors
from pages.ui.widgets import keys

Changed = Callable[[str, str], None]  # (flat name, new text)
UNUSED = "The loss does not depend on it with the current settings."


def plugin_select(
    name: str,
    group: str,
    label: str,
    refusals: Mapping[str, str] | None = None,
    titles: Mapping[str, str] | None = None,
    **more: Any,
) -> None:
    """Draw a select box of the plug-ins of ``group``, in the order of ``titles`` if they are given.

    A plug-in with a refusal is not offered, except while the settings name it. ``more`` goes to ``st.selectbox``.
    """
    refused = {key for key, refusal in (refusals or {}).items() if refusal}
    all_titles = dict(titles or {key: full_title(cls) for key, cls in plugins(group).items()})
    current = st.session_state["settings"][name]
    if current.startswith(FROM_PYTHON):
        all_titles[current] = find_plugin(group, current).title
    choices = [key for key in all_titles if key == current or key not in refused]
    value = current if current in choices else choices[0]
    st.selectbox(
        label,
        choices,
        choices.index(value),
        key=keys.key(f"set {name}", value),
        format_func=all_titles.__getitem__,
        on_change=apply,
        args=(name, f"set {name}", settings.set_option),
        **more,
    )


def selected(role: str) -> type[Plugin]:
    """Return the plug-in that the settings name for a role, even while it does not fit the data."""
    group = next(group for name, group, _ in PLUGIN_FIELDS if name == role)
    return find_plugin(group, st.session_state["settings"][role])


def declared(cls: type[Any], name: str) -> tuple[Option, str]:
    """Return the declaration of an option and its default as text."""
    return options_of(cls)[name], as_text(default_of(cls, name))


def setting(flat: str, name: str, declaration: Option, default: str, **more: Any) -> None:
    """Draw the widget of one setting of the form, which shows its value in the settings or ``default``.

    Args:
        flat: the name of the setting in the flat settings.
        name: the name of the option.
        declaration: the declaration of the option.
        default: the value as text.
        more: further arguments of :func:`option`.
    """
    text = st.session_state["settings"].get(flat, default)
    option(flat, name, declaration, text, settings.set_option, **more)


def is_slider(declaration: Option) -> bool:
    """Whether an option is drawn as a slider, which needs more width than a box."""
    return declaration.ends != ("", "")


def option(
    flat: str,
    name: str,
    declaration: Option,
    text: str,
    changed: Changed,
    *,
    classes: tuple[str, ...] = (),
    place: str = "set",
    matters: bool = True,
    owner: str = "",
    label: str = "",
) -> None:
    """Draw the widget of one option, which shows ``text`` and calls ``changed(flat, new_text)``.

    Args:
        flat: the name of the setting in the flat settings.
        name: the name of the option.
        declaration: the declaration of the option.
        text: the value as text, valid or not.
        changed: called with the name of the setting and the new value as text.
        classes: class names of the data set, for options of kind "class".
        place: prefix of the widget's key, which tells apart two widgets of one option.
        matters: whether anything depends on the option; if not, the widget is disabled and its help says so.
        owner: whose option it is, such as "Teacher’s", for its label.
        label: a shorter label than the declared one; the help then begins with that.
    """
    key, full = f"{place} {flat}", option_label(name, declaration, owner)
    note = f"{full}. " if label else ""
    note += "" if matters else f"{UNUSED} "
    label = label or full
    value = _widget_value(name, declaration, text, classes)
    common: dict[str, Any] = {"key": keys.key(key, value), "on_change": apply, "args": (flat, key, changed)}
    common |= {"help": note + declaration.help, "disabled": not matters}
    if declaration.kind == "switch":
        st.checkbox(label, value, **common)
    elif declaration.kind in ("choice", "class"):
        choices = declaration.choices if declaration.kind == "choice" else ("none", *classes)
        st.selectbox(label, choices, choices.index(value), **common)
    elif declaration.kind in ("widths", "text"):
        st.text_input(label, value, **common)
    elif is_slider(declaration):
        _slider(label, declaration, value, common)
    elif declaration.kind == "whole":
        st.number_input(label, value=value, step=int(declaration.step), **common)
    else:
        number_format = "%.6g" if declaration.log else "%.2f"
        st.number_input(label, value=value, step=float(declaration.step), format=number_format, **common)


def _widget_value(name: str, declaration: Option, text: str, classes: tuple[str, ...]) -> Any:
    """Return the value of ``text`` that the widget shows, or a fallback if the widget cannot show it.

    Number boxes have no bounds: a value out of range is shown, and refused by the engine by name and with the range.
    """
    try:
        value = declaration.check(name, text)
    except ValueError:
        value = None
    if declaration.kind == "switch":
        return bool(value)
    if declaration.kind == "choice":
        return value or declaration.choices[0]
    if declaration.kind == "class":
        return value if value in classes else "none"
    if declaration.kind in ("widths", "text"):
        return text
    if is_slider(declaration):
        return declaration.low if value is None else value
    return int(_as_number(text)) if declaration.kind == "whole" else _as_number(text)


def _slider(label: str, declaration: Option, value: float, common: dict[str, Any]) -> None:
    """Draw a slider with the meaning of both ends below it."""
    st.slider(label, declaration.low, declaration.high, value, step=declaration.step, **common)
    if common["disabled"]:
        st.caption(UNUSED)
        return
    left, right = declaration.ends
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.caption(f"{declaration.low:g} · {left}")
        st.caption(f"{right} · {declaration.high:g}", text_alignment="right")


def _as_number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0


@toast_errors
def apply(flat: str, key: str, changed: Changed) -> None:
    """Call ``changed`` with the current value of the widget ``key``, as a widget's ``on_change``."""
    value = keys.current_value(key)
    if value is not None:
        changed(flat, as_text(value))
