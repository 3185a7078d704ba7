"""Detection page, with the boxes that a teacher, its student and the baseline find in images."""

import streamlit as st

from pages.ui.app import shell

shell.ensure_navigation()

st.title("Detection", anchor=False)
st.markdown(
    "Three networks look for objects in the same image. Each names what it found, draws a box around it, and has for "
    "every side of the box a distribution over places, which T softens."
)

# The engine takes seconds to load on a fresh server; the text above is on the screen meanwhile.
from kd_core.runs import manager
from pages.ui.app import startup_notices
from pages.ui.app.errors import catch_errors
from pages.ui.networks.detection import boxes
from pages.ui.networks.detection.runs import RUNS
from pages.ui.networks.detection.settings import url
from pages.ui.run import live_view
from pages.ui.run.frames import run_frames
from pages.ui.run.run_picker import current_run

url.restore()
selected = RUNS.selected()
if selected is None:
    st.stop()
startup_notices.follow_notice(selected.id)
is_active = selected.state in manager.ACTIVE


def draw_boxes(run: str) -> None:
    """Draw everything that depends on the run. Repeated every two seconds while the run trains."""
    row = current_run(run, url, was_active=is_active)
    options = url.reset_unfit(*url.read(), {})
    if (status := manager.get_manager().status(run)) is not None and status.is_active:
        live_view.progress(status, run_frames(run))
    boxes.one_line(row)
    boxes.show(row, options)


st.fragment(catch_errors(draw_boxes), run_every=2.0 if is_active else None, key=f"boxes {selected.id}")(selected.id)
RUNS.end(selected)
