"""Temperature: turn it, and see what the teacher knows."""

import streamlit as st

from pages.ui.app import shell

shell.ensure_navigation()

st.title("Temperature")
st.markdown(
    "Dividing the logits by T before softmax changes no network. It changes how much of what the network knows gets "
    "through. Turn the handle at the foot of the window: every figure on this page follows."
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
    """All of the page that depends on the run. While it trains, drawn again every second."""
    url_state.restore()
    now = manager.get_manager().store.run(run)
    if st.query_params.get("run", run) != run:  # another one was chosen
        st.rerun()
    if now is None or (now.state in manager.ACTIVE) != is_active:
        st.rerun()
    assert now is not None
    recall = Replay(manager.get_manager().store, now)
    method = recall.config.method.values()
    usual = {"alpha": method["alpha"]} if "alpha" in method and "label_weight" not in method else {}
    view = url_state.current(recall.data.classes, len(recall.rows(recall.visible_split)), usual)
    moment = recall.snapshot_at(view.epoch)
    bench = Instruments(recall, moment, view)
    which, when = st.columns([3, 2], gap="large")
    with which:
        run_picker.run_picker(now)
    with when:
        run_picker.epoch_picker(recall, moment, is_active)

    input_panel(bench)
    bench.dock()

    st.subheader("Why the loss carries a T²")
    st.markdown(
        "The gradient that the teacher sends to the student’s logits is $(q - p)/T$. At high T the difference $q - p$ "
        "shrinks like 1/T too, so the teacher’s say would fade as 1/T². The factor T² gives it back. These are the "
        "gradients of this run’s own student, on the examples it learned from."
    )
    bench.gradients()

    st.subheader("What the teacher finds alike")
    st.markdown(
        "Each row is a true class, each column what its examples get on average. Hide the diagonal to see the rest: "
        "which wrong answers are less wrong is what a label cannot say."
    )
    bench.class_similarity()

    st.subheader("As sure as it is right?")
    st.markdown(
        "A network that says 80 % should be right in 80 of 100 cases. Temperature is also the usual cure where it is "
        "not: the best T is chosen on validation data and judged on test data."
    )
    bench.calibration()

    st.subheader("Where soft targets can come from")
    st.markdown(
        "A teacher is one source. Label smoothing and a virtual teacher are others, and know nothing about the image. "
        "Turn T up and watch the real teacher become one of them."
    )
    bench.sources()


st.fragment(catch_errors(instruments), run_every=1.0 if is_active else None, key=f"instruments {row.id}")(row.id)
# Room for the dock, and what has the focus is never behind it.
st.html(
    "<style>.stMainBlockContainer { padding-bottom: 9rem } "
    "[data-testid=stMain] { scroll-padding-bottom: 10rem }</style>"
)
