"""List of the claims with what was measured when they were written, what this machine says, and a button for each."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from html import escape
from urllib.parse import urlencode

import streamlit as st

from kd_core.analysis.verdict import Judgement, signed
from kd_core.config.claims import OUTCOMES, Claim, Outcome, claims, find
from kd_core.runs import manager
from kd_core.runs.questions.claim_runs import ClaimRuns, stored_runs
from kd_core.tasks import measure_of
from pages.ui.app.actions import action_button, actions, send_command
from pages.ui.app.errors import catch_errors, toast_errors
from pages.ui.experiments.settings import ExperimentsOptions, bind
from pages.ui.widgets.text.durations import queue_position
from pages.ui.widgets.text.escape import escape_markdown
from pages.ui.widgets.text.search import matches

POLL_SECONDS = 1.0
# Neither the check nor the cross, which mark right and wrong labels on other pages.
MARKS: Mapping[Outcome, str] = {"holds": "=", "fails": "≠", "open": "?"}
NOT_TESTED = "not tested yet"
WIDTHS = (11, 2)
STYLE = """<style>
  .claim { display: grid; grid-template-columns: minmax(0, 5fr) minmax(0, 3fr) minmax(0, 3fr); gap: 0.25rem 1.5rem;
    line-height: 1.4; padding-top: 0.375rem; border-top: 1px solid color-mix(in srgb, currentColor 15%, transparent) }
  .claim b { font-weight: 600 }
  .claim .note, .claim details { font-size: 0.875rem }
  .claim summary { cursor: pointer; min-height: 24px }
  .claim ul { margin: 0; padding-inline-start: 1.2rem }
  .claim li { font-size: inherit }
  .claim code { font-size: 0.8125rem; overflow-wrap: anywhere }
  .claim .label { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%) }
  .claim.head { border: none; font-size: 0.875rem; font-weight: 600 }
  @media (max-width: 640px) {
    .claim { grid-template-columns: minmax(0, 1fr) }
    .claim.head { display: none }
    .claim .label { position: static; width: auto; height: auto; clip-path: none; font-size: 0.875rem }
  }
</style>"""
HEAD = (
    '<div class="claim head" aria-hidden="true"><div>Statement</div><div>When it was written</div>'
    "<div>This machine</div></div>"
)


def show(options: ExperimentsOptions) -> None:
    """Draw the summary, the search and the list."""
    st.html(STYLE)
    every = claims()
    st.markdown(_summary(list(every.values())))
    search, side = st.columns(WIDTHS, vertical_alignment="bottom")
    words = search.text_input(
        "Search claims", options.find, **bind("find", options.find), icon=":material/search:",
        placeholder="temperature, Hinton, few labels, ...",
    )  # fmt: skip
    listed = [claim for claim in every.values() if matches(words, *_texts(claim))]
    if not listed:
        st.info("No claim has all of these words.")
        return
    states = {claim.name: _state(claim) for claim in listed}
    with side:
        _test_all([claim for claim in listed if isinstance(states[claim.name], bool)])
    topic = ""
    st.columns(WIDTHS)[0].html(HEAD)
    for claim in listed:
        if claim.topic != topic:
            topic = claim.topic
            st.subheader(topic, anchor=False)
        row(claim, states[claim.name], is_open=claim.name == options.claim)


def row(claim: Claim, state: bool | str, *, is_open: bool) -> None:
    """Draw one claim, again every second while it trains; ``state`` is whether it does, or why it cannot."""
    if isinstance(state, str):
        here = f"Cannot be tested here: {escape(state)}"
        st.columns(WIDTHS)[0].html(claim_html(claim, here, is_open=is_open))
        return
    poll = POLL_SECONDS if state else None
    st.fragment(catch_errors(_draw), run_every=poll, key=f"claim {claim.name}")(claim, is_open, state)


def _state(claim: Claim) -> bool | str:
    """Return whether a claim is queued or trains, or why it cannot be trained here."""
    try:
        return bool(stored_runs(manager.get_manager().store, claim).jobs)
    except ValueError as error:  # a plug-in that it needs is gone
        return str(error)


def claim_html(claim: Claim, here: str, *, is_open: bool) -> str:
    """Return a row of the list; ``here`` is HTML."""
    settings = "".join(
        f'<li>{escape(family)}: <a href="distill?{escape(urlencode(flat))}">open in Distill</a> '
        f"<code>{escape(' '.join(f'{name}={value}' for name, value in flat.items()))}</code></li>"
        for family, flat in claim.families.items()
    )
    then = claim.measured
    written = "not measured"
    if then and claim.outcome:
        written = result_html(claim, claim.outcome, then.estimate, then.interval, then.seconds)
    return (
        f'<div class="claim"><div><b>{escape(claim.title)}</b><details{" open" * is_open}>'
        f"<summary>{escape(claim.source)} · why, and settings</summary>{escape(claim.why)} Expected: "
        f"{escape(claim.expected_in_words)}, {claim.seeds} seeds.<ul>{settings}</ul></details></div>"
        f'<div><span class="label">When it was written: </span>{written}</div>'
        f'<div><span class="label">This machine: </span>{here}</div></div>'
    )


def result_html(claim: Claim, outcome: Outcome, estimate: float, interval: tuple[float, float], seconds: float) -> str:
    """Return an outcome as a mark and a word, its number with its interval, and seconds, as HTML."""
    measure = measure_of(claim.measure)
    number, low, high = (signed(value, measure.decimals) for value in (estimate, *interval))
    return (
        f'<b>{MARKS[outcome]} {OUTCOMES[outcome]}</b><div class="note">{number} {measure.unit_of_difference} '
        f"({low} to {high}), {seconds:.0f} s</div>"
    )


def _draw(claim: Claim, is_open: bool, was_active: bool) -> None:
    runs = stored_runs(manager.get_manager().store, claim)
    judgement = _judgement(runs)
    if bool(runs.jobs) != was_active:
        if judgement is not None:  # said aloud by screen readers, which do not see the row change
            st.toast(f"{escape_markdown(claim.title)} **{OUTCOMES[judgement.outcome].capitalize()}** here.")
        st.rerun()
    text, side = st.columns(WIDTHS, vertical_alignment="top")
    text.html(claim_html(claim, _here(claim, runs, judgement), is_open=is_open))
    with side:
        if runs.jobs:
            action_button(
                "Stop", icon=":material/stop:", key=f"stop {claim.name}", on_click=_stop, args=(runs.jobs,),
                help=f"Stop: {claim.title}",
            )  # fmt: skip
        elif judgement is None:
            action_button(
                "Test here", icon=":material/play_arrow:", key=f"test {claim.name}", on_click=_start,
                args=([claim.name],), help=_help(claim),
            )  # fmt: skip


@toast_errors
def _start(names: Sequence[str]) -> None:
    """Queue what is missing of some claims, one sweep over seeds for each family."""
    sweeps = [sweep for name in names for sweep in stored_runs(manager.get_manager().store, find(name)).sweeps()]
    for sweep in sweeps:
        actions().start_sweep(sweep)


def _test_all(listed: Sequence[Claim]) -> None:
    """Draw a button that tests every listed claim that has no result here."""
    seconds = sum(claim.measured.seconds for claim in listed if claim.measured)
    label = "Test all" if len(listed) == len(claims()) else f"Test these {len(listed)}"
    action_button(
        label, icon=":material/playlist_play:", key="test all", on_click=_start,
        args=([claim.name for claim in listed],),
        help=f"Trains what is missing in the background, one claim after the other: about {seconds / 60:.0f} minutes "
        "of one core for all of them.",
    )  # fmt: skip


def _stop(jobs: Sequence[str]) -> None:
    for job in jobs:
        send_command("stop", job)


def _here(claim: Claim, runs: ClaimRuns, judgement: Judgement | None) -> str:
    """Return what this machine says as HTML."""
    if judgement is not None:
        seconds = runs.seconds(manager.get_manager().store)
        return result_html(claim, judgement.outcome, judgement.estimate, judgement.interval, seconds)
    if runs.jobs:
        return escape(_progress(runs))
    done = sum(len(tests) for tests in runs.tests.values())
    if runs.failed:
        return f"{runs.failed} of {runs.count} runs failed. The server’s log says why."
    return f"{done} of {runs.count} runs so far" if done else NOT_TESTED


def _progress(runs: ClaimRuns) -> str:
    statuses = [status for job in runs.jobs if (status := manager.get_manager().status(job))]
    done = sum(len(tests) for tests in runs.tests.values())
    waiting = [status for status in statuses if status.state == manager.QUEUED]
    if statuses and len(waiting) == len(statuses) and not done:
        return queue_position(min(waiting, key=lambda status: status.ahead))
    of_jobs = sum(status.done / status.total for status in statuses if status.total) / max(1, len(statuses))
    fraction = (done + of_jobs * (runs.count - done)) / runs.count
    return f"Training: {100 * min(1.0, fraction):.0f} %, {done} of {runs.count} runs"


def _judgement(runs: ClaimRuns) -> Judgement | None:
    if not runs.is_complete:
        return None
    ids = tuple(run.id for rows in runs.runs.values() for run in rows)
    return _cached_judgement(runs.claim.name, ids)


@functools.lru_cache(maxsize=256)  # finished runs do not change, and a page has dozens of judgements
def _cached_judgement(name: str, _ids: tuple[str, ...]) -> Judgement | None:
    return stored_runs(manager.get_manager().store, find(name)).judgement


def _help(claim: Claim) -> str:
    time = f", about {claim.measured.seconds:.0f} s of one core" if claim.measured else ""
    return f"Test: {claim.title} Trains {claim.seeds * len(claim.families)} runs in the background{time}."


def _summary(every: Sequence[Claim]) -> str:
    counts = {outcome: sum(claim.outcome == outcome for claim in every) for outcome in MARKS}
    return (
        f"{len(every)} statements of the literature and of practice, each with its control on data that need no "
        f"download. When they were written {counts['holds']} held, {counts['fails']} did not and {counts['open']} were "
        "open. Test one on your machine: all its seeds train in the background, in seconds."
    )


def _texts(claim: Claim) -> tuple[str, ...]:
    settings = (f"{name}={value}" for flat in claim.families.values() for name, value in flat.items())
    outcome = OUTCOMES[claim.outcome] if claim.outcome else ""
    return (claim.name, claim.title, claim.source, claim.topic, claim.why, outcome, *claim.families, *settings)


def unknown_claim(name: str) -> None:
    """Draw an error for a link to a claim that there is not."""
    if name and name not in claims():
        st.error(f"There is no claim called “{escape_markdown(name)}”. All claims are listed below.")
