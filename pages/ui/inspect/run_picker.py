"""Which run the Inspect page looks at, at which epoch, and what its networks answered then."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import streamlit as st

from kd_core.analysis import error_analysis
from kd_core.analysis.error_analysis import CELL, ErrorAnalysis, Projection
from kd_core.analysis.replay import Replay, WeightSnapshot
from kd_core.config.plan import STUDENT
from kd_core.runs import manager
from kd_core.store.store import Run
from pages.ui.app.cache import cached
from pages.ui.browser import palette
from pages.ui.inspect.url_state import InspectOptions, update_url
from pages.ui.run import run_picker, trash
from pages.ui.text import roles
from pages.ui.widgets import keys

NEWEST = 100  # runs among which the newest one that can be inspected is looked for

T = TypeVar("T")


@dataclass(frozen=True)
class InspectedRun:
    """One finished run at one moment, with who plays teacher, student and baseline."""

    row: Run
    replay: Replay
    moment: WeightSnapshot
    role_map: dict[str, str]
    inspection: ErrorAnalysis

    @property
    def cache_key(self) -> str:
        """Another name is another set of answers."""
        return f"{self.row.id} {self.replay.rewinds} {self.moment.number} {self.role_map[STUDENT]}"

    def title(self, part: str) -> str:
        """What a part is called: as its role, where that is another one."""
        return self._titles[self.role_map[part]]

    @functools.cached_property
    def _titles(self) -> dict[str, str]:
        return roles.titles(self.row.config)

    def look(self, part: str) -> Any:
        """Colour, dash and marker of a part."""
        return palette.ROLES[part]

    def cached(self, what: str, compute: Callable[[], T]) -> T:
        """What follows from these answers and ``what`` alone; see :mod:`pages.ui.app.cache`."""
        return cached(f"{self.cache_key} {what}", compute)

    def accuracy(self, part: str) -> float:
        """Share of the examples that a part gets right."""
        return self.cached(f"accuracy {part}", lambda: self.inspection.accuracy(part))

    def group(self, name: str, of: str, cell: tuple[int, int] | None) -> list[int]:
        """Positions of the examples of a group; ``of`` and ``cell`` matter to the one of a cell alone."""
        which = f"{of} {cell}" if name == CELL else ""
        return self.cached(f"group {name} {which}", lambda: self.inspection.examples(name, of, cell))


def selected_run() -> Run | None:
    """A finished run whose weights were kept, or None while the page says why there is none."""
    store = manager.get_manager().store
    wanted = st.query_params.get("run")
    row = store.run(wanted) if wanted else _newest()
    said = _refusal(row)
    if not said:
        return row
    if wanted and row is None:
        trash.show_missing(wanted)
    elif wanted:
        st.error(said)
    else:
        st.info(said)
        st.page_link("pages/distill.py", label="Train one", icon=":material/science:")
    run_picker.run_picker(None)
    return None


def _refusal(row: Run | None) -> str:
    if row is None:
        return "No finished run is stored here yet. Train one in the lab, and come back."
    if not row.is_readable:
        return "This run needs a method, a network or data that this installation does not have. Choose another one."
    if row.state in manager.ACTIVE:
        return "This run is still training. Its networks can be compared once it is over: come back then."
    if row.test is None:
        return "This run did not come to an end, so its test split was never opened. Go on with it in the lab."
    if not manager.get_manager().store.with_weights([row.id]):
        return (
            "No weights of this run were kept, so its networks cannot be asked any more: its networks are too large, "
            "or it is older than this page. Train it again, or choose another one."
        )
    return ""


def _newest() -> Run | None:
    store = manager.get_manager().store
    rows = [row for row in store.runs(NEWEST) if row.test is not None and row.state not in manager.ACTIVE]
    kept = store.with_weights(row.id for row in rows)
    return next((row for row in rows if row.id in kept and row.available_config), None)


def inspect_run(row: Run, focus: InspectOptions) -> InspectedRun:
    """The networks of ``row`` as the address asks for them. Raises ValueError with a sentence."""
    recall = Replay(manager.get_manager().store, row)
    moment = recall.snapshot_at(focus.epoch)
    cast = roles.role_map(
        row.config, _pupil(row, focus), _said(f"{row.id} {recall.rewinds} {moment.number}", recall, moment)
    )
    name = f"{row.id} {recall.rewinds} {moment.number} {cast[STUDENT]}"
    return InspectedRun(row, recall, moment, cast, _inspected(name, recall, moment, cast))


def choices(subject: InspectedRun) -> None:
    """Select boxes of the run, the epoch and, where several networks are taught, whose answers are compared."""
    pupils = [own.role for own in roles.taught_learners(subject.row.config)]
    columns = st.columns([3, 2] + [1] * (len(pupils) > 1), gap="large")
    with columns[0]:
        run_picker.run_picker(subject.row)
    with columns[1]:
        _epoch(subject)
    if len(pupils) > 1:
        names = roles.titles(subject.row.config)
        with columns[2]:
            own = subject.role_map[STUDENT]
            st.selectbox(
                "Answers of", pupils, pupils.index(own), key=keys.key("inspected pupil", own),
                format_func=lambda role: names[role],
                on_change=lambda: update_url(pupil=keys.current_value("inspected pupil")),
            )  # fmt: skip


def _epoch(subject: InspectedRun) -> None:
    epochs = [one.epoch for one in subject.replay.snapshots]
    if len(epochs) < 2:
        return
    own, last = subject.moment.epoch, epochs[-1]

    def choose() -> None:
        epoch = keys.current_value("inspected epoch")
        update_url(epoch=-1 if epoch == last else epoch)

    st.select_slider("Epoch", epochs, own, key=keys.key("inspected epoch", own), on_change=choose)


def _pupil(row: Run, focus: InspectOptions) -> str:
    pupils = [own.role for own in roles.taught_learners(row.config)] or [row.config.scheme.comparison.role]
    if focus.pupil and focus.pupil not in pupils:
        known = ", ".join(pupils)
        raise ValueError(f"pupil = {focus.pupil}: choose one of {known}, the networks that are taught in this run.")
    return focus.pupil or pupils[0]


@st.cache_data(max_entries=64, show_spinner=False)
def _said(name: str, _recall: Replay, _moment: WeightSnapshot) -> list[str]:  # noqa: ARG001
    return sorted(_recall.networks(_moment))


@st.cache_data(max_entries=8, show_spinner=False)
def _inspected(name: str, _recall: Replay, _moment: WeightSnapshot, _cast: dict[str, str]) -> ErrorAnalysis:  # noqa: ARG001
    return error_analysis.analyse(_recall, _moment, _cast)


@st.cache_data(max_entries=8, show_spinner=False)
def _projected(name: str, _recall: Replay, _moment: WeightSnapshot, _cast: dict[str, str]) -> dict[str, Projection]:  # noqa: ARG001
    return error_analysis.embeddings(_recall, _moment, _cast)


def projections(subject: InspectedRun) -> dict[str, Projection]:
    """The embeddings of the networks, by part."""
    return _projected(subject.cache_key, subject.replay, subject.moment, subject.role_map)
