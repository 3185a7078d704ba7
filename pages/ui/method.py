"""The method on the form: which there are for this pair of networks, its options, and what is known about it."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from kd_core.catalogue import find, members
from kd_core.config import RunConfig
from kd_core.methods import FAMILIES, Method
from kd_core.models import Model
from kd_core.options import as_text, options_of, read
from kd_core.pairs import Pair
from pages.ui import controls, settings
from pages.ui.brief import matters
from pages.ui.words import plain


def choose(config: RunConfig) -> None:
    """The select box with the method's idea, the methods that are not offered, and the options beside it."""
    method, refusals = named(), refused(config.pair)
    choice, numbers = st.columns(2, gap="medium")
    with choice:
        controls.member("method", "methods", "Method", refusals, titles())
        if refusals[method.name]:
            st.error(plain(f"{method.title} {refusals[method.name]}."))
        st.caption(method.idea)
        _others(config.pair, {name: refusal for name, refusal in refusals.items() if refusal})
    with numbers:
        _options(method)


def named() -> Method:
    """The method that the settings name, whether or not it applies to the networks."""
    texts = st.session_state["settings"]
    cls = find("methods", texts["method"])
    method = cls(**read(cls, texts)[0])
    assert isinstance(method, Method)
    return method


def titles() -> dict[str, str]:
    """Every method by name, as it is listed: family by family."""
    found = sorted(members("methods").items(), key=lambda item: (FAMILIES.index(item[1].family), item[1].title))
    return {name: f"{cls.family.capitalize()} · {cls.title}" for name, cls in found}


def refused(pair: Pair) -> dict[str, str]:
    """For every method the end of a sentence that says why it does not apply to these networks; empty if it does."""
    return {name: cls().refusal(pair) for name, cls in members("methods").items()}  # type: ignore[attr-defined]


def _options(method: Method) -> None:
    """What may change while it trains, and matters, is at hand: numbers in two columns, then sliders."""
    texts, declared = st.session_state["settings"], options_of(type(method))
    live = [name for name, option in declared.items() if option.live and matters(method, name, option)]

    def draw(name: str) -> None:
        text = texts.get(name, as_text(getattr(method, name)))
        option = declared[name]
        controls.option(name, name, option, text, settings.choose, matters=matters(method, name, option))

    numbers = [name for name in live if not controls.is_slider(declared[name])]
    for first in range(0, len(numbers), 2):
        columns = st.columns(2, gap="small", vertical_alignment="bottom")
        for column, name in zip(columns, numbers[first : first + 2], strict=False):
            with column:
                draw(name)
    for name in live:
        if name not in numbers:
            draw(name)
    if folded := [name for name in declared if name not in live]:
        with st.expander("More options of this method"):
            for name in folded:
                draw(name)


def about(cls: type[Method]) -> None:
    """Everything that its class says, folded."""
    with st.expander("About this method"):
        st.latex(rf"\text{{loss}} = {cls.formula}")
        facts = {"Looks at": cls.needs, "From": cls.paper, "Usual numbers": cls.origin, "Watch out": cls.trap}
        for fact, said in facts.items():
            st.markdown(f"**{fact}** · {plain(said)}")


def _others(pair: Pair, refusals: dict[str, str]) -> None:
    """The methods that are not offered, each with the reason; those of the same reason together."""
    if not refusals:
        return
    count = len(refusals)
    with st.expander(f"{count} {'method needs' if count == 1 else 'methods need'} other networks or data"):
        for refusal in dict.fromkeys(refusals.values()):
            names = [name for name, other in refusals.items() if other == refusal]
            listed = ", ".join(find("methods", name).title for name in names)
            each = "" if len(names) == 1 else "each "
            st.markdown(f"**{plain(listed)}**: {each}{plain(refusal)}. {_remedy(pair, names[0])}")


def _remedy(pair: Pair, name: str) -> str:
    """Which other networks of the catalogue the method would apply to, tried out."""
    method = find("methods", name)()
    models = [cls() for cls in members("models").values()]
    fitting = [model for model in models if isinstance(model, Model) and not model.refusal(pair.shape)]

    def applies(student: Model, teacher: Model) -> bool:
        tried = Pair(student, teacher, pair.shape, pair.classes)
        return not method.refusal(tried)  # type: ignore[attr-defined]

    if found := _titles(model for model in fitting if applies(model, pair.teacher)):
        return f"A {found} as student would do."
    if found := _titles(model for model in fitting if applies(pair.student, model)):
        return f"A {found} as teacher would do."
    if found := _titles(model for model in fitting if applies(model, model)):
        return f"A {found} as teacher and as student would do."
    return "On these data no network here would do."


def _titles(models: Iterable[Model]) -> str:
    return " or ".join(model.title for model in models)
