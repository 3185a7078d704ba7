"""Page that shows what the temperature does to one run's outputs, gradients and calibration."""

import streamlit as st

from pages.ui.app import shell

shell.ensure_navigation()

st.title("Temperature")
st.markdown(
    "Dividing the logits by T before softmax does not change the network, only how evenly its probabilities are spread "
    "over the classes. Drag the temperature slider below: every figure on this page follows."
)

from kd_core.analysis.replay import Replay
from kd_core.runs import manager
from pages.ui.app.errors import catch_errors
from pages.ui.run import run_picker
from pages.ui.temperature import url_state
from pages.ui.temperature.input_panel import input_panel
from pages.ui.temperature.instruments import Instruments

url_state.restore()
row = run_picker.selected_run()
if row is None:
    st.stop()
is_active = row.state in manager.ACTIVE


def instruments(run: str) -> None:
    """Draw everything that depends on the run; called again every second while it trains."""
    url_state.restore()
    row = manager.get_manager().store.run(run)
    if st.query_params.get("run", run) != run:  # another run was chosen
        st.rerun()
    if row is None or (row.state in manager.ACTIVE) != is_active:
        st.rerun()
    assert row is not None
    replay = Replay(manager.get_manager().store, row)
    method = replay.config.method.values()
    defaults = {"alpha": method["alpha"]} if "alpha" in method and "label_weight" not in method else {}
    view = url_state.current(replay.data.classes, len(replay.rows(replay.visible_split)), defaults)
    snapshot = replay.snapshot_at(view.epoch)
    figures = Instruments(replay, snapshot, view)
    run_column, epoch_column = st.columns([3, 2], gap="large")
    with run_column:
        run_picker.run_picker(row)
    with epoch_column:
        run_picker.epoch_picker(replay, snapshot, is_active)

    input_panel(figures)
    figures.dock()

    st.subheader("Why the loss is multiplied by T²")
    st.markdown(
        "The gradient of the soft-target loss with respect to the student’s logits is $(q - p)/T$. At high T the "
        "difference $q - p$ shrinks like 1/T too, so the teacher’s gradient would shrink as 1/T². The factor T² "
        "compensates for that. These are the gradients of this run’s student on its training examples."
    )
    figures.gradients()

    st.subheader("Dark knowledge: which classes the teacher confuses")
    st.markdown(
        "Each row is a true class, each column the mean probability that its examples get for a class. Hide the "
        "diagonal to see the rest: one-hot labels cannot say which wrong classes are more plausible."
    )
    figures.class_similarity()

    st.subheader("Calibration")
    st.markdown(
        "When a calibrated network predicts with 80 % confidence, it is right in 80 % of cases. Temperature scaling is "
        "the standard correction: the best T is chosen on the validation set and evaluated on the test set."
    )
    figures.calibration()

    st.subheader("Sources of soft targets")
    st.markdown(
        "A teacher is one source of soft targets. Label smoothing and a virtual teacher are others, and do not depend "
        "on the input. Raise T and the teacher’s targets become as flat as theirs."
    )
    figures.sources()


st.fragment(catch_errors(instruments), run_every=1.0 if is_active else None, key=f"instruments {row.id}")(row.id)
# The slider at the foot of the window must not cover the end of the page or the element that has the focus.
st.html(
    "<style>.stMainBlockContainer { padding-bottom: 9rem } "
    "[data-testid=stMain] { scroll-padding-bottom: 10rem }</style>"
)
