"""Segmentation page, with the classes that the networks of a run give to every pixel, and how sure they are."""

import streamlit as st

from pages.ui.app import shell

shell.ensure_navigation()

st.title("Segmentation", anchor=False)
st.markdown(
    "Three networks give every pixel of an image a class. IoU (intersection over union) says how much of an object and "
    "of its prediction they share; its mean over the classes is the score."
)

# The engine takes seconds to load on a fresh server; the text above is on the screen meanwhile.
from kd_core.runs import manager
from pages.ui.app import startup_notices
from pages.ui.app.errors import catch_errors
from pages.ui.networks.segmentation import maps
from pages.ui.networks.segmentation.runs import RUNS
from pages.ui.networks.segmentation.settings import url
from pages.ui.run import live_view
from pages.ui.run.frames import run_frames
from pages.ui.run.run_picker import current_run

url.restore()
selected = RUNS.selected()
if selected is None:
    st.stop()
startup_notices.follow_notice(selected.id)
is_active = selected.state in manager.ACTIVE


def draw_maps(run: str) -> None:
    """Draw everything that depends on the run. Repeated every two seconds while the run trains."""
    row = current_run(run, url, was_active=is_active)
    if (status := manager.get_manager().status(run)) is not None and status.is_active:
        live_view.progress(status, run_frames(run))
    maps.result(row)
    maps.maps(row, is_active=is_active)


st.fragment(catch_errors(draw_maps), run_every=2.0 if is_active else None, key=f"maps {selected.id}")(selected.id)
RUNS.end(selected)
