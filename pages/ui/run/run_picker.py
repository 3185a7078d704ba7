"""Which run the Temperature page looks at: the linked one, the one seen last, the newest with images, or a new one."""

from __future__ import annotations

import datetime
import threading
from typing import Any

import streamlit as st

from kd_core.analysis.replay import Replay, WeightSnapshot
from kd_core.config.run import from_flat
from kd_core.datasets import load
from kd_core.runs import manager
from kd_core.store.store import Run
from pages.ui.app.actions import action_button, actions, start_automatically
from pages.ui.app.errors import catch_errors
from pages.ui.app.url_state import UrlState
from pages.ui.run import annotations as labels
from pages.ui.run import history, live_view, trash
from pages.ui.run.frames import run_frames
from pages.ui.text.summaries import method_summary
from pages.ui.widgets import keys

DATASET = "digits"  # its suggested settings are the run of a newcomer
SHOWN = 30
_lock = threading.Lock()
_begun: list[str] = []


def selected_run() -> Run | None:
    """A run whose weights were kept, or None while the page says why there is none."""
    shared = manager.get_manager()
    wanted = st.query_params.get("run")
    row = shared.store.run(wanted) if wanted else _usual()
    if wanted and row is None:
        trash.show_missing(wanted)
    elif row and not row.is_readable:
        st.error("This run needs a method, a network or data that this installation does not have. Choose another one.")
    elif row and not shared.store.with_weights([row.id]):
        _without_weights(row)
    elif row:
        st.session_state["seen"] = row.id
        return row
    else:
        _nothing_yet()
        return None
    run_picker(None)
    return None


def run_picker(row: Run | None) -> None:
    """A select box of the newest runs."""
    rows = _newest()
    if row and row.id not in {one.id for one in rows}:
        rows.append(row)
    if not rows:
        return
    names = _names(rows)
    current: str | None = row.id if row else None
    st.selectbox(
        "Run", list(names), list(names).index(current) if current else None, key=keys.key("specimen", current),
        format_func=lambda run: names[str(run)], on_change=_choose,
        placeholder="Choose a run",
    )  # fmt: skip


def _names(rows: list[Run]) -> dict[str, str]:
    """What tells runs apart first; two of the same name cannot both be chosen, so they get their id."""
    names = {}
    for row in rows:
        config = row.available_config or row.config
        what = f"{config.dataset.title}, {config.teacher.label()} → {config.student.label()}, seed {config.seed}"
        names[row.id] = labels.display_name(
            row, f"{what} · {_when(row)} · {method_summary(config.method)}", labels.SHORT
        )
    taken = list(names.values())
    return {run: name if taken.count(name) == 1 else f"{name} · {run[:4]}" for run, name in names.items()}


def _choose() -> None:
    if (run := keys.current_value("specimen")) != st.query_params.get("run"):
        st.query_params.from_dict({"run": run})


def epoch_picker(replay: Replay, snapshot: WeightSnapshot, url: UrlState[Any], is_active: bool = False) -> None:
    """A slider over the epochs whose weights are stored; the choice is the option ``epoch`` of the page."""
    epochs = [stored.epoch for stored in replay.snapshots]
    if len(epochs) < 2:
        return

    def write_epoch() -> None:
        epoch = keys.current_value("epoch")
        url.update(epoch=-1 if epoch == epochs[-1] else epoch)

    st.select_slider(
        "Epoch" + (", still training" if is_active else ""), epochs, snapshot.epoch,
        key=keys.key("epoch", snapshot.epoch), on_change=write_epoch,
    )  # fmt: skip


def _usual() -> Run | None:
    store = manager.get_manager().store
    seen = store.run(st.session_state.get("seen", ""))
    if seen:
        return seen
    rows = _newest()
    # Ten classes have more to say about each other than two, so pictures go first.
    pictures = (row for row in rows if not load(row.config.dataset).is_planar)
    return next(pictures, None) or _first() or next(iter(rows), None)


def _newest() -> list[Run]:
    """Of the newest runs those whose weights were kept, newest first."""
    store = manager.get_manager().store
    rows = store.runs(SHOWN)
    kept = store.with_weights(row.id for row in rows)
    return [row for row in rows if row.id in kept and row.available_config]


def _may_begin() -> bool:
    return st.query_params.get("autoplay") != "0"


def _first() -> Run | None:
    """The run of a newcomer: begun by the first visitor of a server, all others attach to it."""
    shared = manager.get_manager()
    with _lock:
        if not _begun and _may_begin():
            _begun.append(start_automatically(from_flat({"dataset": DATASET})))
    return shared.store.run(_begun[0]) if _begun and _may_begin() else None


def _nothing_yet() -> None:
    st.info("No run has been trained here yet. Training one on handwritten digits takes a few seconds.")
    if st.button("Train one", type="primary", icon=":material/play_arrow:"):
        st.query_params.pop("autoplay", None)
        st.rerun()


def _without_weights(row: Run) -> None:
    """A run that has just begun, or one from before weights were kept."""
    status = manager.get_manager().status(row.id)
    if status and status.is_active:
        st.fragment(catch_errors(_wait), run_every=0.5, key=f"waiting for {row.id}")(row.id)
        return
    if row.state in (manager.INTERRUPTED, manager.STOPPED):
        history.outcome(row)
        return
    st.warning(
        "No weights of this run were kept, so its networks cannot be asked any more: it is older than this page, or "
        "its networks are too large. Trained again with the same settings it gives the same numbers."
    )
    if action_button("Train it again", type="primary", icon=":material/replay:"):
        st.query_params.from_dict({"run": actions().start(row.config)})
        st.rerun()


def _wait(run: str) -> None:
    status = manager.get_manager().status(run)
    if status is None or not status.is_active or manager.get_manager().store.with_weights([run]):
        st.rerun()
    live_view.progress(status, run_frames(run))


def _when(row: Run) -> str:
    return datetime.datetime.fromtimestamp(row.created).strftime("%d %b, %H:%M:%S")
