"""The run of the start page: two moons with few and partly wrong labels, five seeds, begun once per server."""

from __future__ import annotations

import threading

import streamlit as st

from kd_core.config.comparison import DEFAULT_SEEDS
from kd_core.config.run import from_flat
from kd_core.runs import manager
from kd_core.store.store import Run, family_of
from pages.ui.app import auth
from pages.ui.app.actions import start_automatically
from pages.ui.app.errors import catch_errors
from pages.ui.run import live_controls
from pages.ui.run import verdict as verdicts

# Questions, not promises: the lab answers them with a run, a control and other seeds.
RECIPES = (
    (
        "Few labels.",
        "50 labelled digits for the student. How much does a teacher who knows 1,000 add?",
        {"dataset": "digits"},
    ),
    (
        "Many clean labels.",
        "All 1,000 digits, every label right. Is there anything left that a teacher could add?",
        {"dataset": "digits", "labelled": "0", "epochs": "20"},
    ),
    (
        "Wrong labels.",
        "Three in ten of the spiral’s labels are wrong. Whom does the student believe: the labels or the teacher?",
        {"dataset": "spirals", "labelled": "200", "wrong": "0.3"},
    ),
)

DATASET = "moons"  # its suggested settings are the recipe
_lock = threading.Lock()
_begun: list[str] = []


def demo_run(may_begin: bool) -> str | None:
    """The id of the run to show. The first visitor of a server begins it, everybody else attaches to it."""
    shared = manager.get_manager()
    with _lock:
        if _begun:
            status = shared.status(_begun[0])
            # Somebody may have stopped it; then the next visitor gets a new one.
            if status and (status.is_active or status.state == manager.COMPLETED):
                return _begun[0]
            if not auth.may_act():  # what somebody ended on purpose, no viewer begins again
                return _begun[0] if status else None
            _begun.clear()
        config = from_flat({"dataset": DATASET})
        family = shared.store.siblings(family_of(config))
        if not may_begin:
            return next((run.id for run in family if run.seed == config.seed and run.state == manager.COMPLETED), None)
        _begun.append(start_automatically(config, live_controls.PACES["Watch"]))
        known = {run.seed for run in family if run.state in (manager.COMPLETED, *manager.ACTIVE)}
        for seed in range(DEFAULT_SEEDS):
            if seed not in known | {config.seed}:
                start_automatically(config.with_flat(seed=seed))
        return _begun[0]


def verdict(row: Run, is_active: bool) -> None:
    """The sentence over all seeds once they are done; until then, what is being waited for."""
    if is_active or _waiting(row):
        st.fragment(catch_errors(_wait), run_every=1.0, key="hero verdict")(row, is_active)
    else:
        verdicts.show_verdict(row)


def _waiting(row: Run) -> int:
    """Seeds that are still to come."""
    return sum(
        run.state in manager.ACTIVE for run in manager.get_manager().store.siblings(row.family) if run.id != row.id
    )


def _wait(row: Run, was_active: bool) -> None:
    status, waiting = manager.get_manager().status(row.id), _waiting(row)
    is_active = status is not None and status.is_active
    if is_active != was_active or not (is_active or waiting):
        st.rerun()
    with st.container(border=True, key="verdict"):
        if is_active:
            st.markdown(f"Training now, for real. The verdict follows after {DEFAULT_SEEDS} seeds.")
        else:
            st.markdown(f"One seed is no proof. Asking others: {waiting} still to come.")
