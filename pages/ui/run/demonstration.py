"""Demonstration run of the start page, started once per server with five seeds."""

from __future__ import annotations

import threading

import streamlit as st

from kd_core.config.comparison import DEFAULT_SEEDS
from kd_core.config.run import from_flat
from kd_core.runs import manager
from kd_core.store.store import Run, family_of
from pages.ui.app import auth
from pages.ui.app.actions import actions, start_automatically
from pages.ui.app.errors import catch_errors
from pages.ui.run import live_controls
from pages.ui.run.result import verdict as verdicts

# Each entry asks a question, since its answer depends on the run: title, question, settings that differ from defaults.
RECIPES = (
    (
        "Few labels.",
        "The student gets 50 labelled digits. How much does a teacher trained on 1,000 add?",
        {"dataset": "digits"},
    ),
    (
        "Many clean labels.",
        "The student gets all 1,000 digits with correct labels. Is there anything left for a teacher to add?",
        {"dataset": "digits", "labelled": "0", "epochs": "20"},
    ),
    (
        "Label noise.",
        "30 % of the spiral’s labels are wrong. Does the student learn the labels or the teacher’s outputs?",
        {"dataset": "spirals", "labelled": "200", "wrong": "0.3"},
    ),
)

DATASET = "moons"  # the run uses the settings that this data set recommends
_lock = threading.Lock()
_started: list[str] = []  # at most one run


def demo_run(may_start: bool) -> str | None:
    """Return the id of the run to show, or None.

    The first visitor of a server starts it and every later one sees the same run. A run that was stopped is replaced
    for the next presenter.
    """
    runs = manager.get_manager()
    with _lock:
        if _started:
            status = runs.status(_started[0])
            if status and (status.is_active or status.state == manager.COMPLETED):
                return _started[0]
            if not auth.may_act():  # a viewer must not restart a run that a presenter stopped
                return _started[0] if status else None
            _started.clear()
        config = from_flat({"dataset": DATASET})
        family = runs.store.siblings(family_of(config))
        if not may_start or runs.refusal:
            states = (manager.COMPLETED, *manager.ACTIVE)
            return next((run.id for run in family if run.seed == config.seed and run.state in states), None)
        _started.append(start_automatically(config, live_controls.seconds_per_epoch(live_controls.WATCH, config)))
        seeds = {run.seed for run in family if run.state in (manager.COMPLETED, *manager.ACTIVE)} | {config.seed}
        for seed in range(DEFAULT_SEEDS):
            if seed not in seeds:
                start_automatically(config.with_flat(seed=seed))
        return _started[0]


def own_run(demonstration: Run) -> dict[str, str]:
    """Start a run of the visitor's own on digits, and return the parameters of the page that shows it.

    The demonstration, which may be shown at a slow pace, goes on at full speed, so that it does not delay the run. A
    viewer, who may start nothing, gets the settings alone.
    """
    config = from_flat({"dataset": "digits"})
    if not auth.may_act():
        return config.differences()
    if demonstration.state in manager.ACTIVE:
        actions().set_pace(demonstration.id, 0.0)
    return {"run": actions().start(config, live_controls.seconds_per_epoch(live_controls.WATCH, config))}


def verdict(row: Run, is_active: bool) -> None:
    """Draw the verdict over all seeds, or how many seeds still train."""
    if is_active or _active_seeds(row):
        st.fragment(catch_errors(_progress), run_every=1.0, key="hero verdict")(row, is_active)
    else:
        verdicts.show_verdict(row)


def _active_seeds(row: Run) -> int:
    """Return how many other seeds of the run's family train or wait."""
    family = manager.get_manager().store.siblings(row.family)
    return sum(run.state in manager.ACTIVE for run in family if run.id != row.id)


def _progress(row: Run, was_active: bool) -> None:
    status, remaining = manager.get_manager().status(row.id), _active_seeds(row)
    is_active = status is not None and status.is_active
    if is_active != was_active or not (is_active or remaining):
        st.rerun()
    with st.container(border=True, key="verdict"):
        if is_active:
            st.markdown(
                f"Training now. The result follows after {DEFAULT_SEEDS} repetitions with different random seeds."
            )
        else:
            st.markdown(f"Repeating with other seeds: {remaining} to go.")
