"""Language page, with the texts that a teacher, its student and the baseline write while they train."""

import streamlit as st

from pages.ui.app import shell

shell.ensure_navigation()

st.title("Language", anchor=False)
st.markdown(
    "Three networks predict the next character of a text and write by drawing from that prediction. The brighter a "
    "character, the likelier the teacher finds it."
)

# The engine takes seconds to load on a fresh server; the text above is on the screen meanwhile.
from kd_core.runs import manager
from pages.ui.app import startup_notices
from pages.ui.app.errors import catch_errors
from pages.ui.networks.language import coverage, texts
from pages.ui.networks.language.runs import RUNS
from pages.ui.networks.language.settings import url
from pages.ui.run import live_view
from pages.ui.run.frames import run_frames
from pages.ui.run.run_picker import current_run

url.restore()
selected = RUNS.selected()
if selected is None:
    st.stop()
startup_notices.follow_notice(selected.id)
is_active = selected.state in manager.ACTIVE


def draw_texts(run: str) -> None:
    """Draw everything that depends on the run. Repeated every second while the run trains."""
    row = current_run(run, url, was_active=is_active)
    options = url.reset_unfit(*url.read(), {})
    frames = run_frames(run)
    if (status := manager.get_manager().status(run)) is not None and status.is_active:
        live_view.progress(status, frames)
    coverage.one_line(row)
    writers = texts.Writers(row, frames, options)
    texts.texts(writers, is_active=is_active)
    texts.next_character(writers)
    texts.beginning(writers)


st.fragment(catch_errors(draw_texts), run_every=1.0 if is_active else None, key=f"texts {selected.id}")(selected.id)
coverage.show(selected)
RUNS.end(selected)
