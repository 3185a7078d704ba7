"""Part of the form that chooses the method and its options, among those that fit networks and scheme."""

from __future__ import annotations

import functools

import streamlit as st

from kd_core.base.options import as_text, options_of, parse_options
from kd_core.base.registry import Plugin, find_plugin, full_title, plugins
from kd_core.config.run import RunConfig, read_flat
from kd_core.datasets import load
from kd_core.methods import FAMILIES, Method
from pages.ui.app import settings
from pages.ui.widgets import options
from pages.ui.widgets.text.escape import escape_markdown
from pages.ui.widgets.text.summaries import affects_loss

# Which networks may be replaced to make a method applicable, in the order of preference.
REPLACEMENTS = {
    ("student",): "as student",
    ("teacher",): "as teacher",
    ("student", "teacher"): "as teacher and as student",
}


def selected_method() -> Method:
    """Return the method that the settings name, whether or not it fits the networks."""
    texts = st.session_state["settings"]
    cls = find_plugin("methods", texts["method"])
    method = cls(**parse_options(cls, texts)[0])
    assert isinstance(method, Method)
    return method


def titles() -> dict[str, str]:
    """Return the title of every method by name, in order of families."""

    def position(item: tuple[str, type[Plugin]]) -> tuple[int, str]:
        family = item[1].family
        return FAMILIES.index(family) if family in FAMILIES else len(FAMILIES), item[1].title

    order = sorted(plugins("methods").items(), key=position)
    return {name: f"{cls.family.capitalize()} · {full_title(cls)}" for name, cls in order}


def refusals(**networks: str) -> dict[str, str]:
    """Return for every method why it does not fit the other settings, empty if it does.

    Args:
        networks: names of models by "teacher" and "student", in place of the chosen ones with their default options.
    """
    texts: dict[str, str] = st.session_state["settings"]
    ignored = {"method", "seed"} | {option for cls in plugins("methods").values() for option in options_of(cls)}
    for role in networks:
        ignored |= {f"{role}_{option}" for option in options_of(find_plugin("models", texts[role]))}
    if settings.data_refusal(texts):  # methods are compared on the default data then
        ignored |= {name for name in texts if name.startswith("dataset")}
    others = {name: text for name, text in texts.items() if name not in ignored} | networks
    return _refusals(tuple(sorted(others.items())), ("method =", *(f"{role} =" for role in networks)))


@functools.lru_cache(maxsize=256)
def _refusals(others: tuple[tuple[str, str], ...], prefixes: tuple[str, ...]) -> dict[str, str]:
    reasons = {}
    for name in plugins("methods"):
        _, lines = read_flat({**dict(others), "method": name})
        reasons[name] = next((_reason(line) for line in lines if line.startswith(prefixes)), "")
    return reasons


def _reason(line: str) -> str:
    """Return a refusal without the setting at its beginning."""
    return line.split(": ", 1)[1]


def main_options(method: Method) -> list[str]:
    """Return the live options that affect the loss."""
    return [
        name for name, option in options_of(type(method)).items() if option.live and affects_loss(method, name, option)
    ]


def draw_main_options() -> None:
    """Draw the main options, sliders first, then number boxes in two columns."""
    method = selected_method()
    declarations, main = options_of(type(method)), main_options(method)
    sliders = [name for name in main if options.is_slider(declarations[name])]
    for name in sliders:
        _option(method, name)
    numbers = [name for name in main if name not in sliders]
    for first in range(0, len(numbers), 2):
        for column, name in zip(
            st.columns(2, gap="small", vertical_alignment="bottom"), numbers[first : first + 2], strict=False
        ):
            with column:
                _option(method, name)


def _option(method: Method, name: str) -> None:
    option = options_of(type(method))[name]
    value = as_text(getattr(method, name))
    options.setting(name, name, option, value, matters=affects_loss(method, name, option))


def details(config: RunConfig) -> None:
    """Draw the method's formula, requirements, paper, default values and pitfall, and the methods that do not fit."""
    method = selected_method()
    cls = type(method)
    st.latex(rf"\text{{loss}} = {cls.formula}")
    facts = {
        "Uses": cls.requires,
        "Paper": cls.paper,
        "Default values": cls.defaults_source,
        "Pitfall": cls.pitfall,
    }
    for title, text in {"": cls.summary, **facts}.items():
        if text:
            st.markdown(f"**{title}** · {escape_markdown(text)}" if title else escape_markdown(text))
    reasons = refusals()
    _unfit_methods(config, {name: reason for name, reason in reasons.items() if reason and name != method.name})


def _unfit_methods(config: RunConfig, reasons: dict[str, str]) -> None:
    """Draw an expander with the methods that cannot be chosen, grouped by the reason."""
    if not reasons:
        return
    groups: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        groups.setdefault(reason.removeprefix(f"{find_plugin('methods', name).title} "), []).append(name)
    with st.expander(f"{len(reasons)} {'method does' if len(reasons) == 1 else 'methods do'} not apply here"):
        for reason, names in groups.items():
            titles = ", ".join(find_plugin("methods", name).title for name in names)
            every = "" if len(names) == 1 else "each "
            st.markdown(
                f"**{escape_markdown(titles)}**: {every}{escape_markdown(settings.with_labels(reason))} "
                f"{_suggestion(config, names[0])}"
            )


def _suggestion(config: RunConfig, method: str) -> str:
    """Return a sentence that names networks to which the method applies in the chosen scheme, or an empty string."""
    data = load(config.dataset)
    models = [name for name, cls in plugins("models").items() if not cls().data_refusal(data)]  # type: ignore[attr-defined]
    for roles, position in REPLACEMENTS.items():
        if fitting := [name for name in models if not refusals(**dict.fromkeys(roles, name))[method]]:
            titles = " or ".join(find_plugin("models", name).title for name in fitting)
            return f"It applies with a {titles} {position}."
    return ""
