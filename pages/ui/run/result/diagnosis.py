"""Card that explains why the student did not beat the baseline, with runs that try remedies."""

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
from pages.ui.run import live_controls
from pages.ui.run.result import verdict

NOTHING = "The run shows none of the common problems."
HINT = "Each button starts this run again with one setting changed."


@catch_errors
def card(row: Run) -> None:
    """Draw the card of a completed run, open if the student did not gain, otherwise on request."""
    result, family = verdict.family_verdict(row)
    if row.state != manager.COMPLETED or result is None or not row.test:
        return
    is_open = needs_explanation(result)
    if not is_open and not st.toggle("Look for possible improvements", key=f"look into {row.id}"):
        return
    title = _title(result) if is_open else "Possible improvements"
    with st.expander(title, expanded=True, icon=":material/stethoscope:"):
        siblings = tuple(run.id for run in family if run.state == manager.COMPLETED and run.id != row.id)
        findings = _findings(row.id, manager.get_manager().store.rewinds(row.id), siblings)
        if not findings:
            st.markdown(NOTHING)
            return
        for finding in findings:
            _finding(row, finding)
        if any(finding.changes for finding in findings):
            st.caption(HINT)


def needs_explanation(result: Verdict) -> bool:
    """Whether a student that was compared over several seeds did not gain, or one of a single seed is no better."""
    return result.outcome in ("loss", "open") or (result.outcome == "single" and (result.gain or 0) <= 0)


def _title(result: Verdict) -> str:
    is_worse = result.outcome == "loss" or (result.outcome == "single" and (result.gain or 0) < 0)
    return "Why is it worse?" if is_worse else "Why is there no clear gain?"


def _finding(row: Run, finding: Finding) -> None:
    explanation, remedy = st.columns([3, 1], gap="medium", vertical_alignment="center")
    with explanation:
        st.markdown(f"**{finding.sentence}**")
        st.caption(f"{finding.evidence}. This is {finding.certainty}.")
    with remedy:
        if finding.changes and action_button(
            finding.remedy, icon=":material/play_arrow:", key=f"remedy for {finding.name}", width="stretch"
        ):
            start(row, finding)


def start(row: Run, finding: Finding) -> None:
    """Start the run with the remedy of a finding and show it, with its settings in the form."""
    config = row.config.with_flat(**finding.changes)
    run = actions().start(config, live_controls.chosen_pace(config))
    settings.url.update({}, run=run)
    st.rerun()


@functools.lru_cache(maxsize=64)  # evaluates the networks again, which is too slow for every rerun of the page
def _findings(run: str, rewinds: int, siblings: tuple[str, ...]) -> tuple[Finding, ...]:  # noqa: ARG001
    """Return the findings about a run; ``rewinds`` is part of the key, since a resumed run emits events again."""
    store = manager.get_manager().store
    rows = [row for name in (run, *siblings) if (row := store.run(name)) is not None]
    return tuple(diagnose(features_of_run(store, rows[0], rows[1:])))
