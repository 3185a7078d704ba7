"""Controls to pause, step and stop a training run, and to change its pace and live options."""

from __future__ import annotations

import streamlit as st

from kd_core.base.options import as_text, options_of
from kd_core.config.run import RunConfig
from kd_core.runs import manager
from kd_core.runs.manager import Status
from pages.ui.app import auth, startup_notices
from pages.ui.app.actions import actions, send_command, toast_errors
from pages.ui.run.frames import RunFrames, run_frames
from pages.ui.text.escape import escape_markdown
from pages.ui.text.summaries import affects_loss
from pages.ui.widgets import options

POLL_SECONDS = 5.0  # until a change by another session is shown; the session's own changes are shown at once
PACES = {"Full speed": 0.0, "Watch": 0.06, "Slow motion": 0.5}  # minimum seconds per epoch
MAX_COLUMNS = 3  # of live options, since a slider needs room for the texts at its ends


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
    with st.container(horizontal=True, vertical_alignment="bottom", key=f"steer {run}"):
        if status.state == manager.PAUSED:
            st.button("Resume", icon=":material/play_arrow:", key="resume", on_click=send_command, args=("resume", run))
            st.button("One step", icon=":material/skip_next:", key="step", on_click=send_command, args=("step", run))
        else:
            st.button("Pause", icon=":material/pause:", key="pause", on_click=send_command, args=("pause", run))
        st.button(
            "Stop and keep", icon=":material/stop:", key="stop", on_click=send_command, args=("stop", run),
            help="End the run now, evaluate its networks on the test set and keep them.",
        )  # fmt: skip
        current = min(PACES, key=lambda name: abs(PACES[name] - status.pace))
        st.segmented_control(
            "Pace", list(PACES), key=f"pace of {run}", default=current, required=True, on_change=_set_pace, args=(run,),
            help="How fast the training is shown. It does not change any result.",
        )  # fmt: skip
    _live_options(run, config, frames)


def _live_options(run: str, config: RunConfig, frames: RunFrames) -> None:
    values = config.live_values() | {event.option: event.new for event in frames.adjusted}
    # A requested value is shown until an event confirms a change of the option; then the run's value is shown, whoever
    # requested it.
    requests: dict[str, tuple[str, int]] = st.session_state.setdefault(f"requests {run}", {})
    st.caption("Change these during training; every change is recorded and marked in the curves.")
    texts = {}
    for name, value in values.items():
        text, seen_events = requests.get(name, ("", 0))
        is_confirmed = any(event.option == name for event in frames.adjusted[seen_events:])
        texts[name] = text if text and not is_confirmed else as_text(value)
    method = config.method.with_values(
        **{name: values[name] for name in options_of(type(config.method)) if name in values}
    )
    declarations, changed = list(config.live_options().items()), _adjust(run, requests, len(frames.adjusted))
    rows = -(-len(declarations) // MAX_COLUMNS)
    columns = -(-len(declarations) // rows)
    for first in range(0, len(declarations), columns):
        for column, (name, option) in zip(st.columns(columns), declarations[first : first + columns], strict=False):
            with column:
                matters = affects_loss(method, name, option)
                options.option(name, name, option, texts[name], changed, place=f"live {run}", matters=matters)
    if message := st.session_state.pop(f"refused {run}", ""):
        st.error(escape_markdown(message))


def _adjust(run: str, requests: dict[str, tuple[str, int]], seen_events: int) -> options.Changed:
    def changed(name: str, text: str) -> None:
        try:
            actions().adjust(run, **{name: text})
            requests[name] = (text, seen_events)
        except ValueError as error:
            st.session_state[f"refused {run}"] = str(error)

    return changed


@toast_errors
def _set_pace(run: str) -> None:
    actions().set_pace(run, PACES[st.session_state[f"pace of {run}"]])
