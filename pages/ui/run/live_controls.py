"""Controls to pause, step and stop a training run, and to change its pace and live options."""

from __future__ import annotations

import time
from dataclasses import dataclass

import streamlit as st

from kd_core.base.options import as_text, options_of
from kd_core.config.run import RunConfig
from kd_core.runs import manager
from kd_core.runs.manager import Status
from kd_core.schemes import plan_of
from kd_core.store.store import Run
from pages.ui.app import auth, startup_notices
from pages.ui.app.actions import actions, send_command
from pages.ui.app.errors import catch_errors, toast_errors
from pages.ui.run.frames import RunFrames, run_frames
from pages.ui.widgets import formula, options
from pages.ui.widgets.text.escape import escape_markdown
from pages.ui.widgets.text.summaries import affects_loss

POLL_SECONDS = 5.0  # until a change by another session is shown; the session's own changes are shown at once
FULL_SPEED, WATCH, SLOW = "Full speed", "Watch", "Slow motion"
PACES = (FULL_SPEED, WATCH, SLOW)
WATCH_SECONDS = 25.0  # of all epochs of a run that is watched
SLOW_SECONDS = 0.5  # per epoch at least
SETTLED_AFTER = 2.0  # seconds after which a change of an option counts as the answer to a request


def seconds_per_epoch(pace: str, config: RunConfig) -> float:
    """Return the least duration of an epoch at a pace."""
    epochs = sum(phase.recipe.epochs for phase in plan_of(config))
    return {FULL_SPEED: 0.0, WATCH: WATCH_SECONDS / max(1, epochs), SLOW: SLOW_SECONDS}[pace]


def chosen_pace(config: RunConfig) -> float:
    """Return the least duration of an epoch at the pace that is chosen for the next run."""
    pace = st.session_state.get("pace")
    return seconds_per_epoch(pace if pace in PACES else WATCH, config)


def choose_pace() -> None:
    """Draw the choice of the pace of the next run."""
    st.segmented_control(
        "Pace", list(PACES), default=WATCH, required=True, key="pace", width="stretch",
        help=f"How fast the training is shown. “{WATCH}” takes about {WATCH_SECONDS:.0f} seconds where the machine is "
        "faster than that. It does not change any result.",
    )  # fmt: skip


@dataclass(frozen=True)
class Request:
    """Requested value of a live option, the number of changes seen before it, and when it was made."""

    text: str
    seen: int
    at: float


Requests = dict[str, Request]  # by option


def follow(row: Run) -> None:
    """Draw the controls of a run that trains or waits, again every few seconds."""
    st.fragment(catch_errors(live_controls), run_every=POLL_SECONDS, key=f"controls of {row.id}")(row.id, row.config)


def live_controls(run: str, config: RunConfig) -> None:
    """Draw the controls of a run while it trains, for presenters."""
    status = manager.get_manager().status(run)
    if status is not None and status.is_active:
        # Also recorded for viewers, whose live view compares it with the run's state.
        st.session_state[f"is paused {run}"] = status.state == manager.PAUSED
        startup_notices.show_notice(run)
        row = manager.get_manager().store.run(run)
        if row is not None and row.sweep:
            label = "This run is part of a sweep. Pause or stop the sweep"
            st.page_link("pages/sweep.py", label=label, icon=":material/grid_on:", query_params={"sweep": row.sweep})
        elif auth.may_act():
            steer(run, config, status, run_frames(run))


def steer(run: str, config: RunConfig, status: Status, frames: RunFrames) -> None:
    """Draw buttons to pause, resume, step and stop, the pace, and the live options."""
    with st.container(horizontal=True, gap="small", key="start"):
        if status.state == manager.PAUSED:
            st.button("Resume", icon=":material/play_arrow:", key="resume", on_click=send_command, args=("resume", run))
            st.button("One step", icon=":material/skip_next:", key="step", on_click=send_command, args=("step", run))
        else:
            st.button("Pause", icon=":material/pause:", key="pause", on_click=send_command, args=("pause", run))
        st.button(
            "Stop and keep", icon=":material/stop:", key="stop", on_click=send_command, args=("stop", run),
            help="End the run now, evaluate its networks on the test set and keep them.",
        )  # fmt: skip
    with st.container(key=formula.SCOPE):
        _live_options(run, config, frames)
    current = min(PACES, key=lambda name: abs(seconds_per_epoch(name, config) - status.pace))
    st.segmented_control(
        "Pace", list(PACES), key=f"pace of {run}", default=current, required=True, on_change=_set_pace,
        args=(run, config), width="stretch", help="How fast the training is shown. It does not change any result.",
    )  # fmt: skip


def _live_options(run: str, config: RunConfig, frames: RunFrames) -> None:
    values = config.live_values() | {event.option: event.new for event in frames.adjusted}
    requests: Requests = st.session_state.setdefault(f"requests {run}", {})
    texts = {name: _text(as_text(value), requests.get(name), name, frames) for name, value in values.items()}
    declarations = config.live_options()
    # As requested, since the training answers after its next step.
    method = config.method.with_values(
        **{
            name: declarations[name].check(name, texts[name])
            for name in options_of(type(config.method))
            if name in texts
        }
    )
    changed = _adjust(run, requests, len(frames.adjusted))
    sliders = [name for name in declarations if options.is_slider(declarations[name])]
    for name in [*sliders, *(name for name in declarations if name not in sliders)]:
        matters = affects_loss(method, name, declarations[name])
        options.option(name, name, declarations[name], texts[name], changed, place=f"live {run}", matters=matters)
        if name == (sliders or [""])[-1]:
            formula.draw(config, method)
    st.caption("These change the training now. Every change is recorded and marked in the curves.")
    if message := st.session_state.pop(f"refused {run}", ""):
        st.error(escape_markdown(message))


def _text(current: str, request: Request | None, option: str, frames: RunFrames) -> str:
    """Return the value that the widget of a live option shows.

    A requested value stays until the training has answered and some time has passed. What comes soon after a request
    may answer an earlier one, perhaps for the same value; replacing the widget for it would take the keyboard from the
    user.
    """
    if request is None:
        return current
    is_answered = any(event.option == option for event in frames.adjusted[request.seen :])
    is_settled = is_answered and time.monotonic() - request.at > SETTLED_AFTER
    return current if is_settled else request.text


def _adjust(run: str, requests: Requests, seen_events: int) -> options.Changed:
    def changed(name: str, text: str) -> None:
        try:
            actions().adjust(run, **{name: text})
            requests[name] = Request(text, seen_events, time.monotonic())
        except ValueError as error:
            st.session_state[f"refused {run}"] = str(error)

    return changed


@toast_errors
def _set_pace(run: str, config: RunConfig) -> None:
    pace = st.session_state[f"pace of {run}"]
    if pace not in PACES:
        raise ValueError(f"pace = {pace}: choose one of {', '.join(PACES)}.")
    actions().set_pace(run, seconds_per_epoch(pace, config))
