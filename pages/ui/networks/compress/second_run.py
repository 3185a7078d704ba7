"""Start, progress and result of the run that distils from the unpruned network into the pruned one."""

from __future__ import annotations

import streamlit as st

from kd_core.analysis.verdict import verdict
from kd_core.config.run import RunConfig
from kd_core.export.compression.chain import find_same
from kd_core.export.compression.unpruned import Unpruned, open_unpruned, second_run
from kd_core.runs import manager
from kd_core.schemes import comparison_of
from kd_core.store.records import ACTIVE, COMPLETED
from kd_core.store.store import Run
from pages.ui.app.actions import action_button, actions
from pages.ui.app.errors import catch_errors, toast_errors
from pages.ui.run import live_view
from pages.ui.run.frames import run_frames
from pages.ui.widgets.text.escape import escape_markdown


def distil_again(unpruned: Unpruned, fraction: float, kind: str) -> Run | None:
    """Draw the button or the progress of the second run; return the run if it is completed."""
    if not fraction:
        st.caption("Move the slider to remove something first.")
        return None
    config = _config(unpruned, unpruned.weights_id, fraction, kind)
    run = find_same(manager.get_manager().store, config) if config else None
    if run is not None and run.state in ACTIVE:
        st.fragment(catch_errors(_progress), run_every=1.0, key=f"second {run.id}")(run.id)
        return None
    if run is not None and run.state == COMPLETED:
        st.markdown(escape_markdown(verdict([run.test or {}], comparison_of(run.config)).sentence))
        st.page_link(
            "pages/distill.py", label="Open this training", icon=":material/science:", query_params={"run": run.id}
        )
        return run
    epochs = unpruned.run.config.recipe.epochs
    st.caption(
        f"Trains the pruned network for {epochs} epochs under the unpruned one and, as the control, once more with as "
        "many updates on the labels alone."
    )
    action_button(
        "Distil again", type="primary", icon=":material/replay:", key="distil again", on_click=_start,
        args=(unpruned.run.id, unpruned.role, fraction, kind),
    )  # fmt: skip
    return None


@toast_errors
def _start(run: str, role: str, fraction: float, kind: str) -> None:
    store = manager.get_manager().store
    row = store.run(run)
    assert row is not None
    unpruned = open_unpruned(store, row, role)
    source = actions().do(unpruned.store_weights)
    actions().start(second_run(unpruned, source, fraction, kind))


def _config(unpruned: Unpruned, source: str, fraction: float, kind: str) -> RunConfig | None:
    """Return the configuration of the second run; None before the weights are stored, and where it does not fit."""
    try:
        return second_run(unpruned, source, fraction, kind) if source else None
    except ValueError:
        return None


def _progress(run: str) -> None:
    status = manager.get_manager().status(run)
    if status is None or not status.is_active:
        st.rerun()
    live_view.progress(status, run_frames(run))
