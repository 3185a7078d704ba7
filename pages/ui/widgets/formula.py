"""Loss formula with numbers that follow the sliders beside it."""

from __future__ import annotations

import functools
import re
from typing import Any

import streamlit as st

from kd_core.base.options import option_label, options_of
from kd_core.config.run import RunConfig
from kd_core.methods import Method
from pages.ui.components import component
from pages.ui.widgets import options
from pages.ui.widgets.text import glossary, plan

NUMBER = re.compile(r"\d+(?:\.\d+)?")  # as in formula_numbers.js
# What stands in the formula, how its help names it, and the term of the glossary.
SYMBOLS = (
    (r"\mathrm{CE}", "CE", "cross-entropy"),
    (r"\mathrm{KL}", "KL", "KL divergence"),
    ("^2 ", "T", "temperature"),
)
SCOPE = "numbers"  # key of the container that holds sliders and formula


def draw(config: RunConfig, method: Method) -> None:
    """Draw the loss with its numbers, inside a container with the key ``SCOPE`` that also holds the sliders.

    Args:
        config: the run.
        method: as in :func:`plan.formula`.
    """
    latex = plan.in_lines(plan.formula(config, method))
    st.latex(latex, help=_symbols(latex))
    follower = component("formula")
    follower(key="formula", data={"latex": latex, "scope": f"st-key-{SCOPE}", "sliders": sliders(config, method)})


@functools.lru_cache(maxsize=64)
def sliders(config: RunConfig, method: Method) -> list[dict[str, Any]]:
    """Return the sliders of a method's live options with the numbers of its formula at each of their steps.

    Each has "label", "low", "step" and "numbers", a list of texts by the position of a number in the formula. Only
    numbers that the slider changes are listed. A text is None where the formula has other terms than now.
    """
    current = plan.formula(config, method)
    result = []
    for name, option in options_of(type(method)).items():
        if not (option.live and options.is_slider(option)):
            continue
        steps = range(round((option.high - option.low) / option.step) + 1)
        values = [round(option.low + step * option.step, 10) for step in steps]
        variants = plan.formulas(config, [method.with_values(**{name: value}) for value in values])
        rows = [NUMBER.findall(latex) if _skeleton(latex) == _skeleton(current) else None for latex in variants]
        columns = {
            place: [row and row[place] for row in rows]
            for place, number in enumerate(NUMBER.findall(current))
            if any(row and row[place] != number for row in rows)
        }
        label = option_label(name, option)
        result.append({"label": label, "low": option.low, "step": option.step, "numbers": columns})
    return result


def _symbols(latex: str) -> str:
    """Return the definitions of the symbols of a formula as Markdown."""
    terms = {term.name: term for term in glossary.ENTRIES}
    used = [(symbol, terms[name]) for sign, symbol, name in SYMBOLS if sign in latex]
    return "\n\n".join(f"**{symbol}**, {term.name}: {term.definition}" for symbol, term in used)


def _skeleton(latex: str) -> str:
    return NUMBER.sub("#", latex)
