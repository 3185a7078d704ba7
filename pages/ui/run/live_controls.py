"""What one can do to a run while it trains: pause, single steps, stop, the pace, and its live options."""

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

SECONDS = 5.0  # between two drawings: one's own hand is followed at once, that of another viewer may take so long
PACES = {"Full speed": 0.0, "Watch": 0.06, "Slow motion": 0.5}  # seconds per epoch at least
IN_A_ROW = 3  # live options: the ends of a slider want words


def live_controls(run: str, config: RunConfig) -> None:
    """Those of a run, as long as it trains."""
    status = manager.get_manager().status(run)
    if status is not None and status.is_active:  # for a viewer, too: the page follows a pause by this
        st.session_state[f"is paused {run}"] = status.state == manager.PAUSED
        startup_notices.show_notice(run)
        if auth.may_act():
            steer(run, config, status, run_frames(run))


def steer(run: str, config: RunConfig, status: Status, shown: RunFrames) -> None:
    """Pause, resume, one step, stop, the pace, and the options that may change while it trains."""
    with st.container(horizontal=True, vertical_alignment="bottom", key=f"steer {run}"):
        if status.state == manager.PAUSED:
            st.button("Resume", icon=":material/play_arrow:", key="resume", on_click=send_command, args=("resume", run))
            st.button("One step", icon=":material/skip_next:", key="step", on_click=send_command, args=("step", run))
        else:
            st.button("Pause", icon=":material/pause:", key="pause", on_click=send_command, args=("pause", run))
        st.button(
            "Stop and keep", icon=":material/stop:", key="stop", on_click=send_command, args=("stop", run),
            help="Ends the run here. What was learned is judged on the test split and kept.",
        )  # fmt: skip
        current = min(PACES, key=lambda name: abs(PACES[name] - status.pace))
        st.segmented_control(
            "Pace", list(PACES), key=f"pace of {run}", default=current, required=True, on_change=_set_pace, args=(run,),
            help="How fast you watch. It changes no number.",
        )  # fmt: skip
    _live_options(run, config, shown)


def _live_options(run: str, config: RunConfig, shown: RunFrames) -> None:
    values = config.live_values() | {change.option: change.new for change in shown.adjusted}
    # A wish is shown until the run says what became of it; then the run is right, whoever asked last.
    wishes: dict[str, tuple[str, int]] = st.session_state.setdefault(f"wishes {run}", {})
    st.caption("Change these while it trains; each change is recorded and drawn as a marker.")
    texts = {}
    for name, value in values.items():
        wish, heard = wishes.get(name, ("", 0))
        is_answered = any(change.option == name for change in shown.adjusted[heard:])
        texts[name] = wish if wish and not is_answered else as_text(value)
    now = config.method.with_values(
        **{name: values[name] for name in options_of(type(config.method)) if name in values}
    )
    declared, changed = list(config.live_options().items()), _adjust(run, wishes, len(shown.adjusted))
    rows = -(-len(declared) // IN_A_ROW)
    each = -(-len(declared) // rows)
    for first in range(0, len(declared), each):
        for column, (name, option) in zip(st.columns(each), declared[first : first + each], strict=False):
            with column:
                is_used = affects_loss(now, name, option)
                options.option(name, name, option, texts[name], changed, place=f"live {run}", matters=is_used)
    if message := st.session_state.pop(f"refused {run}", ""):
        st.error(escape_markdown(message))


def _adjust(run: str, wishes: dict[str, tuple[str, int]], heard: int) -> options.Changed:
    def changed(name: str, text: str) -> None:
        try:
            actions().adjust(run, **{name: text})
            wishes[name] = (text, heard)
        except ValueError as error:
            st.session_state[f"refused {run}"] = str(error)

    return changed


@toast_errors
def _set_pace(run: str) -> None:
    actions().set_pace(run, PACES[st.session_state[f"pace of {run}"]])
