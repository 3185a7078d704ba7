"""Options of the Compare page and their URL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from kd_core.analysis.learning_curves import ACCURACY, EPOCH, MOST_SMOOTH, SECONDS, STEP
from kd_core.base.options import Options, boolean, choice, integer, number, text
from kd_core.config.plan import BASELINE, STUDENT, TEACHER
from kd_core.store import queries
from kd_core.store.queries import Search
from pages.ui.app.url_state import UrlState
from pages.ui.widgets import keys

MAX_RUNS = 8  # compared at once: there are as many colours
NO_RUNS = "none"
KINDS = (STUDENT, BASELINE, TEACHER)
COSTS = ("size", "flops", "parameters", "latency")


@dataclass(frozen=True)
class CompareOptions(Options):
    """Choices of what is shown and how. None of them changes a run."""

    runs: str = text("", 400, "Ids of the compared runs, joined by commas; none for no run.")
    find: str = text("", 200, "Words that a run must contain, all of them.")
    dataset: str = text("", 80, "Only runs on this data set.")
    method: str = text("", 80, "Only runs of this method.")
    scheme: str = text("", 80, "Only runs of this distillation scheme.")
    state: str = text("", 80, "Only runs in this state.")
    tag: str = text("", 80, "Only runs with this tag.")
    sweep: str = text("", 40, "Id of the sweep whose runs are listed; by default a sweep is one row.")
    seeds: str = text("", 40, "Id of a run whose seeds are listed; by default the seeds of a run are one row.")
    order: str = choice("newest", tuple(queries.ORDERS), "Order of the table.")
    reverse: bool = boolean(False, "Reverse the order.")
    all_columns: bool = boolean(False, "Show every column of the table.")
    page: int = integer(1, 1, 100_000, "Page of the table.")
    curve: str = text(ACCURACY, 80, "Measure on the y-axis of the curves.")
    networks: str = text(STUDENT, 40, "Kinds of networks whose curves are drawn, joined by commas.")
    x: str = choice(EPOCH, (EPOCH, STEP, SECONDS), "Measure on the x-axis of the curves.")
    smooth: float = number(0.0, 0.0, MOST_SMOOTH, "Weight of the past in the exponential moving average.", step=0.05)
    log_x: bool = boolean(False, "Logarithmic x-axis.")
    log_y: bool = boolean(False, "Logarithmic y-axis.")
    together: bool = boolean(False, "Draw runs that differ only in their seed as their mean with its interval.")
    cost: str = choice(COSTS[0], COSTS, "Cost that accuracy is plotted against.")

    @property
    def run_ids(self) -> list[str]:
        """Ids of the compared runs, without duplicates."""
        ids = (text.strip() for text in self.runs.split(","))
        return list(dict.fromkeys(run for run in ids if run and run != NO_RUNS))

    @property
    def kinds(self) -> list[str]:
        """Kinds of networks whose curves are drawn."""
        names = [text.strip() for text in self.networks.split(",")]
        return [kind for kind in KINDS if kind in names]

    @property
    def search(self) -> Search:
        """Search for the rows of the table."""
        facets = {facet: getattr(self, facet) for facet in queries.FACETS}
        return Search(self.find, facets, self.order, self.reverse, self.sweep, self.seeds)


url = UrlState("compare", CompareOptions)


def update_url(**values: Any) -> None:
    """Write options into the URL. A new search or order starts on the first page of the table."""
    if not values.keys().isdisjoint(("find", "order", "reverse", "sweep", "seeds", *queries.FACETS)):
        values["page"] = 1
    url.update(**values)


def compare(ids: list[str]) -> None:
    """Write the compared runs into the URL, at most :data:`MAX_RUNS` of them."""
    if len(ids) > MAX_RUNS:
        st.session_state["too many"] = True
    update_url(runs=",".join(ids[:MAX_RUNS]) or NO_RUNS)


def bind(name: str, value: Any) -> dict[str, Any]:
    """Bind a widget, whose default is ``value``, to an option. Return the arguments of the Streamlit widget."""

    def write() -> None:
        value = keys.current_value(f"compare {name}")
        value = ",".join(value) if isinstance(value, list) else value
        update_url(**{name: url.default(name) if value is None else value})

    return {"key": keys.key(f"compare {name}", value), "on_change": write}
