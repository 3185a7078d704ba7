"""Why a student did not win, under the verdict: what the run's numbers show, and for each reason a run that tries the
remedy."""

from __future__ import annotations

import functools

import streamlit as st

from kd_core.analysis.diagnosis import Finding, diagnose, features_of_run
from kd_core.analysis.verdict import Verdict
from kd_core.runs import manager
from kd_core.store.store import Run
from pages.ui.app import settings
from pages.ui.app.actions import action_button, actions
from pages.ui.app.errors import catch_errors
from pages.ui.run import live_controls, verdict

NOTHING = "None of the usual reasons shows in this run’s numbers."
HINT = "Each button starts this run again with that one setting changed. Nothing else differs."


@catch_errors
def card(row: Run) -> None:
    """For a run that was completed: open where the student did not win beyond luck, else on request."""
    found, family = verdict.family_verdict(row)
    if row.state != manager.COMPLETED or found is None or not row.test:
        return
    has_won = found.outcome in ("gain", "alone")
    if has_won and not st.toggle("Look for what could be better", key=f"look into {row.id}"):
        return
    # One seed that gained may have won: the verdict cannot say yet, and need not be explained away.
    is_open = found.outcome != "single" or (found.gain or 0) <= 0
    with st.expander(_title(found), expanded=is_open, icon=":material/stethoscope:"):
        siblings = tuple(run.id for run in family if run.state == manager.COMPLETED and run.id != row.id)
        reasons = _findings(row.id, manager.get_manager().store.rewinds(row.id), siblings)
        if not reasons:
            st.markdown(NOTHING)
            return
        for reason in reasons:
            _reason(row, reason)
        if any(reason.changes for reason in reasons):
            st.caption(HINT)


def _title(found: Verdict) -> str:
    if found.outcome in ("gain", "alone"):
        return "What could be better"
    return "Why did it lose?" if (found.gain or 0) < 0 else "Why is it not a clear win?"


def _reason(row: Run, reason: Finding) -> None:
    said, tried = st.columns([3, 1], gap="medium", vertical_alignment="center")
    with said:
        st.markdown(f"**{reason.sentence}**")
        st.caption(f"{reason.evidence}. This is {reason.certainty}.")
    with tried:
        if reason.changes and action_button(
            reason.remedy, icon=":material/play_arrow:", key=f"remedy for {reason.name}", width="stretch"
        ):
            start(row, reason)


def start(row: Run, reason: Finding) -> None:
    """Starts the changed run and shows it, with its settings in the form."""
    pace = live_controls.PACES[str(st.session_state.get("pace") or "Watch")]
    run = actions().start(row.config.with_flat(**reason.changes), pace)
    kept = {name: value for name, value in st.query_params.items() if name in settings.RESERVED}
    st.query_params.from_dict({**kept, "run": run})
    st.rerun()


@functools.lru_cache(maxsize=64)  # the networks are asked again about what they were shown: not at every draw
def _findings(run: str, rewinds: int, siblings: tuple[str, ...]) -> tuple[Finding, ...]:  # noqa: ARG001
    """``rewinds`` is part of the key: what is said again is not always the same."""
    store = manager.get_manager().store
    rows = [found for each in (run, *siblings) if (found := store.run(each)) is not None]
    return tuple(diagnose(features_of_run(store, rows[0], rows[1:])))
