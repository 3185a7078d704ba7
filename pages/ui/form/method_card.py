"""The method on the form: which there are for these networks and this scheme, its options, what is known about it."""

from __future__ import annotations

import functools

import streamlit as st

from kd_core.base.options import as_text, options_of, parse_options
from kd_core.base.registry import find_plugin, full_title, plugins
from kd_core.config.run import RunConfig, read_flat
from kd_core.datasets import load
from kd_core.methods import FAMILIES, Method
from pages.ui.app import settings
from pages.ui.text.escape import escape_markdown
from pages.ui.text.summaries import affects_loss
from pages.ui.widgets import options, partial_rerun

REMEDIES = {
    ("student",): "as student",
    ("teacher",): "as teacher",
    ("student", "teacher"): "as teacher and as student",
}  # networks that may be others


def choose(config: RunConfig, refused: list[str]) -> None:
    """The select box with the method's idea, the methods that are not offered, and the options beside it."""
    method, unfit = selected_method(), refusals()
    choice, numbers = st.columns(2, gap="medium")
    with choice:
        options.plugin_select("method", "methods", "Method", unfit, titles())
        for line in refused:
            if line.startswith("method ="):
                st.error(escape_markdown(settings.with_labels(_reason(line))))
        if method.summary:
            st.caption(method.summary)
        _others(config, {name: refusal for name, refusal in unfit.items() if refusal and name != method.name})
    with numbers:
        _options(method)


def selected_method() -> Method:
    """The method that the settings name, whether or not it applies to the networks."""
    texts = st.session_state["settings"]
    cls = find_plugin("methods", texts["method"])
    method = cls(**parse_options(cls, texts)[0])
    assert isinstance(method, Method)
    return method


@partial_rerun.layout_dependency
def _mattering(_: RunConfig) -> dict[str, bool]:
    method = selected_method()
    return {name: affects_loss(method, name, option) for name, option in options_of(type(method)).items()}


def titles() -> dict[str, str]:
    """Every method by name, as it is listed: family by family."""

    def place(name: str) -> tuple[int, str]:
        cls = classes[name]
        return FAMILIES.index(cls.family) if cls.family in FAMILIES else len(FAMILIES), cls.title

    classes = plugins("methods")
    return {
        name: f"{classes[name].family.capitalize()} · {full_title(classes[name])}"
        for name in sorted(classes, key=place)
    }


def refusals(**changed: str) -> dict[str, str]:
    """For every method the sentence that says why it cannot be chosen under the other settings; empty if it can.

    ``changed``: the networks, if they were others.
    """
    settings: dict[str, str] = st.session_state["settings"]
    gone = {option for name in plugins("methods") for option in options_of(find_plugin("methods", name))} | {
        "method",
        "seed",
    }
    for name in changed:
        gone |= {f"{name}_{option}" for option in options_of(find_plugin("models", settings[name]))}
    kept = {name: text for name, text in settings.items() if name not in gone} | changed
    return _refusals(tuple(sorted(kept.items())), ("method =", *(f"{name} =" for name in changed)))


@functools.lru_cache(maxsize=256)
def _refusals(kept: tuple[tuple[str, str], ...], about: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for name in plugins("methods"):
        _, lines = read_flat({**dict(kept), "method": name})
        found[name] = next((_reason(line) for line in lines if line.startswith(about)), "")
    return found


def _reason(line: str) -> str:
    """A refusal without the setting at its head."""
    return line.split(": ", 1)[1]


def _at_hand(method: Method) -> list[str]:
    """What may change while it trains, and matters."""
    return [
        name for name, option in options_of(type(method)).items() if option.live and affects_loss(method, name, option)
    ]


def _options(method: Method) -> None:
    """What is at hand, numbers in two columns, then sliders, and the formula with it; the rest is folded."""
    partial_rerun.draw_with_outputs(_live, "formula")
    at_hand = _at_hand(method)
    if folded := [name for name in options_of(type(method)) if name not in at_hand]:
        with st.expander("More options of this method"):
            for name in folded:
                _option(method, name)


def _live() -> None:
    method, declared = selected_method(), options_of(type(selected_method()))
    at_hand = _at_hand(method)
    numbers = [name for name in at_hand if not options.is_slider(declared[name])]
    for first in range(0, len(numbers), 2):
        columns = st.columns(2, gap="small", vertical_alignment="bottom")
        for column, name in zip(columns, numbers[first : first + 2], strict=False):
            with column:
                _option(method, name)
    for name in at_hand:
        if name not in numbers:
            _option(method, name)


def _option(method: Method, name: str) -> None:
    option = options_of(type(method))[name]
    usual = as_text(getattr(method, name))
    options.setting(name, name, option, usual, matters=affects_loss(method, name, option))


def about(cls: type[Method]) -> None:
    """Everything that its class says, folded."""
    with st.expander("About this method"):
        st.latex(rf"\text{{loss}} = {cls.formula}")
        facts = {
            "Looks at": cls.requires,
            "From": cls.paper,
            "Usual numbers": cls.defaults_source,
            "Watch out": cls.pitfall,
        }
        for fact, said in facts.items():
            if said:
                st.markdown(f"**{fact}** · {escape_markdown(said)}")


def _others(config: RunConfig, unfit: dict[str, str]) -> None:
    """The methods that are not offered, each with the reason; those of the same reason together."""
    if not unfit:
        return
    count = len(unfit)
    ends = {name: refusal.removeprefix(f"{find_plugin('methods', name).title} ") for name, refusal in unfit.items()}
    with st.expander(f"{count} {'method does' if count == 1 else 'methods do'} not apply here"):
        for end in dict.fromkeys(ends.values()):
            names = [name for name, other in ends.items() if other == end]
            listed = ", ".join(find_plugin("methods", name).title for name in names)
            each = "" if len(names) == 1 else "each "
            st.markdown(
                f"**{escape_markdown(listed)}**: {each}{escape_markdown(settings.with_labels(end))} "
                f"{_remedy(config, names[0])}"
            )


def _remedy(config: RunConfig, method: str) -> str:
    """Which other networks of the catalogue the method would apply to, tried out under the chosen scheme."""
    shape = load(config.dataset).shape
    models = [name for name, cls in plugins("models").items() if not cls().unsupported_reason(shape)]  # type: ignore[attr-defined]
    for changed, said in REMEDIES.items():
        fitting = [name for name in models if not refusals(**dict.fromkeys(changed, name))[method]]
        if fitting:
            titles = " or ".join(find_plugin("models", name).title for name in fitting)
            return f"A {titles} {said} would do."
    return ""
