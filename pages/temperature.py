"""Temperature page, with softened outputs of a run's networks, gradients, dark knowledge and calibration."""

import streamlit as st

from pages.ui.app import shell

shell.ensure_navigation()

# A low title, so that the input and its softened outputs are in view together. Room for the temperature slider, which
# covers the foot of the window, and no scrolling of the focus behind it.
st.html(
    "<style>.stMainBlockContainer { padding-bottom: 9rem } .stMainBlockContainer h1 { padding: 0 } "
    "[data-testid=stMain] { scroll-padding-bottom: 10rem }</style>"
)
st.title("Temperature", anchor=False)
st.markdown(
    "A network scores every class, and softmax turns the scores into probabilities. Divided by T first, they show how "
    "the teacher ranks the wrong classes."
)

# The engine takes seconds to load on a fresh server; the text above is on the screen meanwhile.
from kd_core.analysis.replay import open_replay
from kd_core.runs import manager
from pages.ui.app import startup_notices
from pages.ui.app.errors import catch_errors
from pages.ui.run import run_picker
from pages.ui.temperature.chapters import chapters
from pages.ui.temperature.input_panel import input_panel
from pages.ui.temperature.instruments import Instruments
from pages.ui.temperature.settings import current_options, url

url.restore()
selected = run_picker.selected_run()
if selected is None:
    st.stop()
startup_notices.follow_notice(selected.id)
is_active = selected.state in manager.ACTIVE


def draw_figures(run: str) -> None:
    """Draw everything that depends on the run. Repeated every second while the run trains."""
    row = run_picker.current_run(run, url, was_active=is_active)
    replay = open_replay(manager.get_manager().store, row)
    method = replay.config.method.values()
    defaults = {"alpha": method["alpha"]} if "alpha" in method and "label_weight" not in method else {}
    options = current_options(replay.data.classes, len(replay.rows(replay.visible_split)), defaults)
    snapshot = replay.snapshot_at(options.epoch)
    instruments = Instruments(replay, snapshot, options)
    input_panel(instruments)
    instruments.dock()
    left, right = st.columns([3, 2], gap="large")
    with left:
        run_picker.run_picker(row)
    with right:
        run_picker.epoch_picker(replay, snapshot, url, is_active)
    chapters(instruments)


st.fragment(catch_errors(draw_figures), run_every=1.0 if is_active else None, key=f"figures {selected.id}")(selected.id)
