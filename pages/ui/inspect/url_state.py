"""What the Inspect page looks at: every setting of it, read from the address and written there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from kd_core.analysis.error_analysis import CELL, DIFFERENCE, FIXED, GROUPS, ErrorAnalysis
from kd_core.base.options import (
    Options,
    as_text,
    choice,
    class_name,
    integer,
    number,
    options_of,
    parse_options,
    shorten,
    text,
)
from kd_core.config.plan import BASELINE, STUDENT, TEACHER
from pages.ui.text.escape import escape_markdown

COUNTS, SHARES = "counts", "shares"
RESERVED = ("run", "autoplay", "embed", "embed_options")  # parameters that are no setting


@dataclass(frozen=True)
class InspectOptions(Options):
    """Nothing here changes a network or an answer."""

    epoch: int = integer(
        -1, -1, 1_000_000, "An epoch whose weights were kept, or the last one before it; -1 is the end."
    )
    pupil: str = text("", 80, "Whose answers are compared, where several networks are taught.")
    measure: str = choice(COUNTS, (COUNTS, SHARES), "Examples, or their share of the true class.")
    group: str = choice(FIXED, GROUPS, "Which examples are shown.")
    of: str = choice(STUDENT, (TEACHER, STUDENT, BASELINE, DIFFERENCE), "Whose matrix the chosen cell belongs to.")
    true_class: str = class_name("none", "Row of the chosen cell; it counts together with its column.")
    answered: str = class_name("none", "Column of the chosen cell; it counts together with its row.")
    example: int = integer(-1, -1, 1_000_000, "Position of the example seen close up; -1 is the first one shown.")
    moment: int = integer(
        -1, -1, 1_000_000, "Which of the run's surfaces is shown, counted from 0; -1 is the last one."
    )
    temperature: float = number(4.0, 0.25, 64.0, "Divides the logits of every network before softmax.")

    def fit(self, seen: ErrorAnalysis) -> dict[str, str]:
        """One sentence for every setting, by name, that this run does not have."""
        refused = {}
        for name in ("true_class", "answered"):
            if getattr(self, name) not in ("none", *seen.classes):
                shown = shorten(getattr(self, name))
                refused[name] = f"{name} = {shown}: choose one of {', '.join(seen.classes[:20])}, or none."
        if self.example >= len(seen.labels):
            refused["example"] = f"example = {self.example}: choose a whole number from 0 to {len(seen.labels) - 1}."
        offered = [*seen.parts, *([DIFFERENCE] if BASELINE in seen.parts else [])]
        if self.of not in offered:
            refused["of"] = f"of = {self.of}: choose one of {', '.join(offered)}; this run has no other matrix."
        return refused

    def cell(self, classes: tuple[str, ...]) -> tuple[int, int] | None:
        """Row and column of the chosen cell, if both are chosen."""
        pair = (self.true_class, self.answered)
        return (classes.index(pair[0]), classes.index(pair[1])) if set(pair) <= set(classes) else None


def restore() -> None:
    """Back from another page by the menu, the address is what it was. Call before anything reads it."""
    if not st.query_params and "focus" in st.session_state:
        st.query_params.from_dict(st.session_state["focus"])
    remember()


def asked() -> tuple[InspectOptions, list[str]]:
    """What the address asks for, and a sentence for everything in it that cannot be read."""
    given = {name: text for name, text in st.query_params.items() if name not in RESERVED}
    values, refused = parse_options(InspectOptions, given)
    unknown = [
        f"There is no setting called {shorten(name)}." for name in given if name not in options_of(InspectOptions)
    ]
    return InspectOptions(**values), [*refused, *unknown[:5]]


def fitted(focus: InspectOptions, refused: list[str], seen: ErrorAnalysis) -> InspectOptions:
    """The same with the usual in place of what this run does not have; says so on the screen."""
    unfit = focus.fit(seen)
    if lines := [*refused, *unfit.values()]:
        listed = "".join(f"\n- {escape_markdown(line)}" for line in lines)
        st.error(f"The link asks for what cannot be had. The usual is shown instead.\n{listed}")
    return focus.with_values(**{name: InspectOptions.__dataclass_fields__[name].default for name in unfit})


def update_url(**changes: Any) -> None:
    """Writes settings into the address; a usual value needs no word there."""
    after = dict(st.query_params.items())
    for name, value in changes.items():
        if value == InspectOptions.__dataclass_fields__[name].default:
            after.pop(name, None)
        else:
            after[name] = as_text(value)
    if after != dict(st.query_params.items()):
        st.query_params.from_dict(after)
    remember()


def select_cell(of: str, true: str, answered: str) -> None:
    """The examples of one cell of a matrix, and no longer another group."""
    update_url(group=CELL, of=of, true_class=true, answered=answered, example=-1)


def remember() -> None:
    """For the way back to this page."""
    known = ("run", *options_of(InspectOptions))
    st.session_state["focus"] = {name: text for name, text in st.query_params.items() if name in known}
