"""Which run the Inspect page looks at, at which epoch, and what its networks answered then."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import streamlit as st

from kd_core import inspection, runs
from kd_core.inspection import CELL, Inspection, Projection
from kd_core.plan import STUDENT
from kd_core.recall import Moment, Recall
from kd_core.store import Run
from pages.ui import roles, specimen, trash, widget
from pages.ui.components import palette
from pages.ui.focus import Focus, look
from pages.ui.once import once

NEWEST = 100  # runs among which the newest one that can be inspected is looked for

T = TypeVar("T")


@dataclass(frozen=True)
class Subject:
    """One finished run at one moment, with who plays teacher, student and baseline."""

    row: Run
    recall: Recall
    moment: Moment
    cast: dict[str, str]
    seen: Inspection

    @property
    def name(self) -> str:
        """Another name is another set of answers."""
        return f"{self.row.id} {self.recall.rewinds} {self.moment.number} {self.cast[STUDENT]}"

    def title(self, part: str) -> str:
        """What a part is called: as its role, where that is another one."""
        return self._titles[self.cast[part]]

    @functools.cached_property
    def _titles(self) -> dict[str, str]:
        return roles.titles(self.row.config)

    def look(self, part: str) -> Any:
        """Colour, dash and marker of a part."""
        return palette.ROLES[part]

    def told(self, what: str, work_out: Callable[[], T]) -> T:
        """What follows from these answers and ``what`` alone; see :mod:`pages.ui.once`."""
        return once(f"{self.name} {what}", work_out)

    def accuracy(self, part: str) -> float:
        """Share of the examples that a part gets right."""
        return self.told(f"accuracy {part}", lambda: self.seen.accuracy(part))

    def group(self, name: str, of: str, cell: tuple[int, int] | None) -> list[int]:
        """Positions of the examples of a group; ``of`` and ``cell`` matter to the one of a cell alone."""
        which = f"{of} {cell}" if name == CELL else ""
        return self.told(f"group {name} {which}", lambda: self.seen.group(name, of, cell))


def chosen() -> Run | None:
    """A finished run whose weights were kept, or None while the page says why there is none."""
    store = runs.shared().store
    wanted = st.query_params.get("run")
    row = store.run(wanted) if wanted else _newest()
    said = _refusal(row)
    if not said:
        return row
    if wanted and row is None:
        trash.missing(wanted)
    elif wanted:
        st.error(said)
    else:
        st.info(said)
        st.page_link("pages/distill.py", label="Train one", icon=":material/science:")
    specimen.choice(None)
    return None


def _refusal(row: Run | None) -> str:
    if row is None:
        return "No finished run is stored here yet. Train one in the lab, and come back."
    if not row.is_readable:
        return "This run needs a method, a network or data that this installation does not have. Choose another one."
    if row.state in runs.ACTIVE:
        return "This run is still training. Its networks can be compared once it is over: come back then."
    if row.test is None:
        return "This run did not come to an end, so its test split was never opened. Go on with it in the lab."
    if not runs.shared().store.with_weights([row.id]):
        return (
            "No weights of this run were kept, so its networks cannot be asked any more: its networks are too large, "
            "or it is older than this page. Train it again, or choose another one."
        )
    return ""


def _newest() -> Run | None:
    store = runs.shared().store
    rows = [row for row in store.runs(NEWEST) if row.test is not None and row.state not in runs.ACTIVE]
    kept = store.with_weights(row.id for row in rows)
    return next((row for row in rows if row.id in kept and row.listed), None)


def subject(row: Run, focus: Focus) -> Subject:
    """The networks of ``row`` as the address asks for them. Raises ValueError with a sentence."""
    recall = Recall(runs.shared().store, row)
    moment = recall.at(focus.epoch)
    cast = roles.cast(
        row.config, _pupil(row, focus), _said(f"{row.id} {recall.rewinds} {moment.number}", recall, moment)
    )
    name = f"{row.id} {recall.rewinds} {moment.number} {cast[STUDENT]}"
    return Subject(row, recall, moment, cast, _inspected(name, recall, moment, cast))


def choices(subject: Subject) -> None:
    """Select boxes of the run, the epoch and, where several networks are taught, whose answers are compared."""
    pupils = [own.role for own in roles.pupils(subject.row.config)]
    columns = st.columns([3, 2] + [1] * (len(pupils) > 1), gap="large")
    with columns[0]:
        specimen.choice(subject.row)
    with columns[1]:
        _epoch(subject)
    if len(pupils) > 1:
        names = roles.titles(subject.row.config)
        with columns[2]:
            own = subject.cast[STUDENT]
            st.selectbox(
                "Answers of", pupils, pupils.index(own), key=widget.key("inspected pupil", own),
                format_func=lambda role: names[role], on_change=lambda: look(pupil=widget.shown("inspected pupil")),
            )  # fmt: skip


def _epoch(subject: Subject) -> None:
    epochs = [one.epoch for one in subject.recall.moments]
    if len(epochs) < 2:
        return
    own, last = subject.moment.epoch, epochs[-1]

    def choose() -> None:
        epoch = widget.shown("inspected epoch")
        look(epoch=-1 if epoch == last else epoch)

    st.select_slider("Epoch", epochs, own, key=widget.key("inspected epoch", own), on_change=choose)


def _pupil(row: Run, focus: Focus) -> str:
    pupils = [own.role for own in roles.pupils(row.config)] or [row.config.scheme.compares.role]
    if focus.pupil and focus.pupil not in pupils:
        known = ", ".join(pupils)
        raise ValueError(f"pupil = {focus.pupil}: choose one of {known}, the networks that are taught in this run.")
    return focus.pupil or pupils[0]


@st.cache_data(max_entries=64, show_spinner=False)
def _said(name: str, _recall: Recall, _moment: Moment) -> list[str]:  # noqa: ARG001
    return sorted(_recall.networks(_moment))


@st.cache_data(max_entries=8, show_spinner=False)
def _inspected(name: str, _recall: Recall, _moment: Moment, _cast: dict[str, str]) -> Inspection:  # noqa: ARG001
    return inspection.inspect(_recall, _moment, _cast)


@st.cache_data(max_entries=8, show_spinner=False)
def _projected(name: str, _recall: Recall, _moment: Moment, _cast: dict[str, str]) -> dict[str, Projection]:  # noqa: ARG001
    return inspection.embeddings(_recall, _moment, _cast)


def projections(subject: Subject) -> dict[str, Projection]:
    """The embeddings of the networks, by part."""
    return _projected(subject.name, subject.recall, subject.moment, subject.cast)
