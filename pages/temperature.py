"""Temperature page, with softened outputs of a run's networks, gradients, dark knowledge and calibration."""

import streamlit as st

from pages.ui.app import shell

shell.ensure_navigation()

st.title("Temperature")
st.markdown(
    "Dividing the logits by T before softmax changes no network. It changes how much of what the teacher knows about "
    "the wrong classes is visible. Drag the temperature slider below: every figure on this page follows."
)

# The engine takes seconds to load on a fresh server; the text above is on the screen meanwhile.
from kd_core.analysis.replay import open_replay
from kd_core.runs import manager
from pages.ui.app import startup_notices
from pages.ui.app.errors import catch_errors
from pages.ui.run import run_picker
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
    url.restore()
    store = manager.get_manager().store
    row = store.run(run)
    if st.query_params.get("run", run) != run:  # another run was chosen
        st.rerun()
    if row is None or (row.state in manager.ACTIVE) != is_active:
        st.rerun()
    assert row is not None
    replay = open_replay(store, row)
    method = replay.config.method.values()
    defaults = {"alpha": method["alpha"]} if "alpha" in method and "label_weight" not in method else {}
    options = current_options(replay.data.classes, len(replay.rows(replay.visible_split)), defaults)
    snapshot = replay.snapshot_at(options.epoch)
    instruments = Instruments(replay, snapshot, options)
    left, right = st.columns([3, 2], gap="large")
    with left:
        run_picker.run_picker(row)
    with right:
        run_picker.epoch_picker(replay, snapshot, url, is_active)

    input_panel(instruments)
    instruments.dock()

    st.subheader("Why the loss has a factor T²")
    st.markdown(
        "The teacher’s gradient with respect to the student’s logits is $(q - p)/T$. At high T the difference $q - p$ "
        "shrinks like 1/T too, so the teacher’s gradient would shrink as 1/T². The factor T² compensates for that. "
        "These are the gradients of this run’s student on its own training examples."
    )
    instruments.gradients()

    st.subheader("Dark knowledge: which classes the teacher confuses")
    st.markdown(
        "Each row is a true class, each column the mean probability that its examples get. Hide the diagonal to see "
        "the rest: one-hot labels cannot say which wrong classes are more plausible."
    )
    instruments.class_similarity()

    st.subheader("Calibration")
    st.markdown(
        "A calibrated network that predicts with 80 % confidence is right in 80 of 100 cases. Temperature scaling is "
        "the standard remedy where it is not: T is fitted on the validation set and checked on the test set."
    )
    instruments.calibration()

    st.subheader("Sources of soft targets")
    st.markdown(
        "A teacher is one source. Label smoothing and a virtual teacher are others that know nothing about the "
        "example. Raise T and watch the real teacher approach one of them."
    )
    instruments.sources()


st.fragment(catch_errors(draw_figures), run_every=1.0 if is_active else None, key=f"figures {selected.id}")(selected.id)
# Leave room for the temperature slider, which covers the foot of the window, and never scroll the focus behind it.
st.html(
    "<style>.stMainBlockContainer { padding-bottom: 9rem } "
    "[data-testid=stMain] { scroll-padding-bottom: 10rem }</style>"
)
