"""The address of the Compare page: what is looked for, which runs are compared, and how they are drawn."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import streamlit as st

from kd_core.analysis.learning_curves import ACCURACY, EPOCH, MOST_SMOOTH, SECONDS, STEP
from kd_core.base.options import (
    Options,
    as_text,
    boolean,
    choice,
    integer,
    number,
    options_of,
    parse_options,
    shorten,
    text,
)
from kd_core.config.plan import BASELINE, STUDENT, TEACHER
from kd_core.store import queries
from kd_core.store.queries import Search
from pages.ui.text.escape import escape_markdown
from pages.ui.widgets import keys

MAX_RUNS = 8  # runs compared: there are as many colours
DEFAULT_COUNT = 6
NO_RUNS = "none"
KINDS = (STUDENT, BASELINE, TEACHER)
COSTS = ("size", "flops", "parameters", "latency")
LATE = 2.0  # seconds
RESERVED = ("autoplay", "embed", "embed_options")


@dataclass(frozen=True)
class CompareOptions(Options):
    """Nothing here changes a run."""

    runs: str = text("", 400, "The runs that are compared, joined by commas; none for none.")
    find: str = text("", 200, "Words that are all found in a run.")
    dataset: str = text("", 80, "Runs on this data set alone.")
    method: str = text("", 80, "Runs of this method alone.")
    scheme: str = text("", 80, "Runs of this scheme alone.")
    state: str = text("", 80, "Runs in this state alone.")
    tag: str = text("", 80, "Runs with this tag alone.")
    order: str = choice("newest", tuple(queries.ORDERS), "The order of the table.")
    reverse: bool = boolean(False, "The order the other way round.")
    page: int = integer(1, 1, 100_000, "Page of the table.")
    curve: str = text(ACCURACY, 80, "What the curves show.")
    networks: str = text(STUDENT, 40, "Kinds of networks whose curves are drawn, joined by commas.")
    x: str = choice(EPOCH, (EPOCH, STEP, SECONDS), "What the curves are drawn over.")
    smooth: float = number(0.0, 0.0, MOST_SMOOTH, "Share of the past that a smoothed curve keeps.", step=0.05)
    log_x: bool = boolean(False, "A logarithmic axis for steps, epochs or seconds.")
    log_y: bool = boolean(False, "A logarithmic axis for the values.")
    together: bool = boolean(False, "Runs that differ in their seed alone as their mean with its interval.")
    cost: str = choice(COSTS[0], COSTS, "What accuracy is weighed against.")

    @property
    def chosen(self) -> list[str]:
        """The ids of the compared runs, each once."""
        ids = (each.strip() for each in self.runs.split(","))
        return list(dict.fromkeys(each for each in ids if each and each != NO_RUNS))

    @property
    def kinds(self) -> list[str]:
        """The kinds of networks whose curves are drawn."""
        wanted = [each.strip() for each in self.networks.split(",")]
        return [kind for kind in KINDS if kind in wanted]

    @property
    def search(self) -> Search:
        """The table's rows."""
        return Search(self.find, {facet: getattr(self, facet) for facet in queries.FACETS}, self.order, self.reverse)


def current(*, is_quiet: bool = False) -> CompareOptions:
    """What the address asks for. Back from another page by the menu, it is what it was; what cannot be had is replaced
    by the usual, and named on the screen unless ``is_quiet``."""
    _settle()
    given = {name: value for name, value in st.query_params.items() if name not in RESERVED}
    if not given and (before := st.session_state.get("comparing")):
        st.query_params.update(before)
        given = dict(before)
    values, refused = parse_options(CompareOptions, given)
    unknown = [name for name in given if name not in options_of(CompareOptions)]
    refused += [f"There is no setting called {shorten(name)}." for name in unknown[:5]]
    if refused and not is_quiet:
        listed = "".join(f"\n- {escape_markdown(line)}" for line in refused)
        st.error(f"The link asks for what cannot be had. The usual is shown instead.\n{listed}")
    _remember()
    return CompareOptions(**values)


def update_url(**changes: Any) -> None:
    """Writes settings into the address; a usual value needs no word there. Another search begins on its first page."""
    if not changes.keys().isdisjoint(("find", "order", "reverse", *queries.FACETS)):
        changes["page"] = 1
    before = dict(st.query_params.items())
    for name, value in changes.items():
        if value == CompareOptions.__dataclass_fields__[name].default:
            st.query_params.pop(name, None)
        else:
            st.query_params[name] = as_text(value)
    if before != dict(st.query_params.items()):
        st.session_state.setdefault("past comparisons", []).append((time.monotonic(), before))
    _remember()


def compare(ids: list[str]) -> None:
    """Writes the compared runs into the address, :data:`MAX_RUNS` of them at most."""
    if len(ids) > MAX_RUNS:
        st.session_state["too many"] = True
    update_url(runs=",".join(ids[:MAX_RUNS]) or NO_RUNS)


def bind(name: str, value: Any) -> dict[str, Any]:
    """Binds a widget, whose default is ``value``, to a setting: arguments of every widget of Streamlit."""
    return {"key": keys.key(f"compare {name}", value), "on_change": _changed, "args": (name,)}


def _changed(name: str) -> None:
    value = keys.current_value(f"compare {name}")
    if isinstance(value, list):
        value = ",".join(value)
    update_url(**{name: CompareOptions.__dataclass_fields__[name].default if value is None else value})


def _settle() -> None:
    """A browser that asks for the next picture of a run may not have heard yet what was just chosen: an address that
    was right until a moment ago is no wish to go back to it."""
    past = [(when, old) for when, old in st.session_state.get("past comparisons", []) if when > time.monotonic() - LATE]
    st.session_state["past comparisons"] = past
    now = st.session_state.get("comparing")
    given = dict(st.query_params.items())
    if now and given != now and any(old == given for _, old in past):
        st.query_params.from_dict({**{name: value for name, value in given.items() if name in RESERVED}, **now})


def _remember() -> None:
    known = options_of(CompareOptions)
    st.session_state["comparing"] = {name: value for name, value in st.query_params.items() if name in known}
