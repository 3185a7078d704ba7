"""Run, epoch and student of the Inspect page, and the cached analysis of their predictions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import streamlit as st

from kd_core.analysis import error_analysis
from kd_core.analysis.error_analysis import CELL, ErrorAnalysis, Projection
from kd_core.analysis.replay import Replay, WeightSnapshot, open_replay, unusable_reason
from kd_core.config.plan import STUDENT
from kd_core.runs import manager
from kd_core.store.store import Run
from pages.ui.app.cache import cached
from pages.ui.components import palette
from pages.ui.inspect.settings import InspectOptions, url
from pages.ui.run import run_picker, trash
from pages.ui.widgets import keys
from pages.ui.widgets.text import roles

NEWEST = 100  # runs among which the newest one that can be inspected is searched

T = TypeVar("T")


@dataclass(frozen=True)
class InspectedRun:
    """One finished run at one snapshot, with the networks that are its teacher, student and baseline."""

    row: Run
    replay: Replay
    snapshot: WeightSnapshot
    role_map: dict[str, str]
    analysis: ErrorAnalysis

    @property
    def cache_key(self) -> str:
        """Key of everything that follows from these predictions."""
        return _cache_key(self.replay, self.snapshot, self.role_map)

    def title(self, part: str) -> str:
        """Return the title of the network that is this part."""
        return self._titles[self.role_map[part]]

    @functools.cached_property
    def _titles(self) -> dict[str, str]:
        return roles.titles(self.row.config)

    def look(self, part: str) -> Any:
        """Return colour, dash and marker of a part."""
        return palette.ROLES[part]

    def cached(self, name: str, compute: Callable[[], T]) -> T:
        """Return what ``compute`` derives from these predictions and ``name`` alone, computed once per process."""
        return cached(f"{self.cache_key} {name}", compute)

    def accuracy(self, part: str) -> float:
        """Return the accuracy of a part as a fraction."""
        return self.cached(f"accuracy {part}", lambda: self.analysis.accuracy(part))

    def group(self, name: str, of: str, cell: tuple[int, int] | None) -> list[int]:
        """Return the positions of the examples of a group; ``of`` and ``cell`` matter only to the group of a cell."""
        selection = f"{of} {cell}" if name == CELL else ""
        return self.cached(f"group {name} {selection}", lambda: self.analysis.examples(name, of, cell))


def selected_run() -> Run | None:
    """Return a finished run whose weights are stored, or None after drawing why there is none."""
    store = manager.get_manager().store
    run = st.query_params.get("run")
    row = store.run(run) if run else _newest_run()
    error = _refusal(row)
    if not error:
        return row
    if run and row is None:
        trash.show_missing(run)
    elif run:
        st.error(error)
        if row is not None and row.is_readable:
            run_picker.link_to_task_page(row)
    else:
        st.info(error)
        st.page_link("pages/distill.py", label="Train one", icon=":material/science:")
    run_picker.run_picker(None, run_picker.inspect_refusal)
    return None


def inspect_run(row: Run, options: InspectOptions) -> InspectedRun:
    """Return the run with the networks that the options select. Raises ValueError for a network that it lacks."""
    replay = open_replay(manager.get_manager().store, row)
    snapshot = replay.snapshot_at(options.epoch)
    role_map = roles.role_map(row.config, _student_role(row, options), sorted(replay.roles(snapshot)))
    analysis = _analysis(_cache_key(replay, snapshot, role_map), replay, snapshot, role_map)
    return InspectedRun(row, replay, snapshot, role_map, analysis)


def choices(inspected: InspectedRun) -> None:
    """Draw select boxes of the run, the epoch and, where several networks are distilled, the compared one."""
    students = [learner.role for learner in roles.taught_learners(inspected.row.config)]
    columns = st.columns([3, 2] + [1] * (len(students) > 1), gap="large")
    with columns[0]:
        run_picker.run_picker(inspected.row, run_picker.inspect_refusal)
    with columns[1]:
        run_picker.epoch_picker(inspected.replay, inspected.snapshot, url)
    if len(students) > 1:
        titles = roles.titles(inspected.row.config)
        student = inspected.role_map[STUDENT]
        columns[2].selectbox(
            "Predictions of", students, students.index(student), key=keys.key("inspected pupil", student),
            format_func=lambda role: titles[role],
            on_change=lambda: url.update(pupil=keys.current_value("inspected pupil")),
        )  # fmt: skip


def projections(inspected: InspectedRun) -> dict[str, Projection]:
    """Return the projected embeddings of the networks, by part."""
    return _projections(inspected.cache_key, inspected.replay, inspected.snapshot, inspected.role_map)


def _refusal(row: Run | None) -> str:  # noqa: PLR0911
    if row is None:
        return "No finished run is stored here yet. Train one on the Distill page, then come back."
    if not row.is_readable:
        return "This run needs a method, a network or data that this installation does not have. Choose another one."
    if reason := unusable_reason(row.config):
        return reason
    if reason := run_picker.inspect_refusal(row):
        return reason
    if row.state in manager.ACTIVE:
        return "This run is still training. Its networks can be compared when it has ended."
    if row.test is None:
        return "This run ended before its evaluation on the test set. Resume it on the Distill page."
    if not manager.get_manager().store.with_weights([row.id]):
        return (
            "No weights of this run are stored, so its networks cannot be used: they are too large, or the run is "
            "older than this page. Train it again, or choose another one."
        )
    return ""


def _newest_run() -> Run | None:
    store = manager.get_manager().store
    rows = [row for row in store.runs(NEWEST) if row.test is not None and row.state not in manager.ACTIVE]
    with_weights = store.with_weights(row.id for row in rows)
    readable = (row for row in rows if row.id in with_weights and row.available_config)
    return next((row for row in readable if not run_picker.inspect_refusal(row)), None)


def _student_role(row: Run, options: InspectOptions) -> str:
    students = [learner.role for learner in roles.taught_learners(row.config)]
    students = students or [row.config.scheme.comparison.role]
    if options.pupil and options.pupil not in students:
        choices = ", ".join(students)
        raise ValueError(f"pupil = {options.pupil}: choose one of {choices}, the students of this run.")
    return options.pupil or students[0]


def _cache_key(replay: Replay, snapshot: WeightSnapshot, role_map: dict[str, str]) -> str:
    return f"{replay.run.id} {replay.rewinds} {snapshot.number} {role_map[STUDENT]}"


@st.cache_data(max_entries=8, show_spinner=False)
def _analysis(key: str, _replay: Replay, _snapshot: WeightSnapshot, _role_map: dict[str, str]) -> ErrorAnalysis:  # noqa: ARG001
    return error_analysis.analyse(_replay, _snapshot, _role_map)


@st.cache_data(max_entries=8, show_spinner=False)
def _projections(
    key: str,  # noqa: ARG001
    _replay: Replay,
    _snapshot: WeightSnapshot,
    _role_map: dict[str, str],
) -> dict[str, Projection]:
    return error_analysis.embeddings(_replay, _snapshot, _role_map)
