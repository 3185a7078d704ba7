"""Choice of the run and epoch that the Temperature page shows."""

from __future__ import annotations

import datetime
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from kd_core.analysis.replay import Replay, WeightSnapshot, unusable_reason
from kd_core.config.run import from_flat
from kd_core.datasets import load
from kd_core.runs import manager
from kd_core.store.store import Run
from pages.ui.app.actions import action_button, actions, start_automatically
from pages.ui.app.errors import catch_errors
from pages.ui.app.url_state import UrlState
from pages.ui.run import annotations as run_annotations
from pages.ui.run import history, live_view, trash
from pages.ui.run.frames import run_frames
from pages.ui.widgets import keys
from pages.ui.widgets.text.summaries import method_summary

DATASET = "digits"  # the first run uses the settings that this data set recommends
MAX_RUNS = 30  # of which those with weights are offered
_lock = threading.Lock()
_started: list[str] = []  # at most one run


def selected_run() -> Run | None:
    """Return a run whose weights are stored, or show why there is none and return None.

    It is the run of the link, the one shown last, the newest one with images, or a new one.
    """
    store = manager.get_manager().store
    linked = st.query_params.get("run")
    row = store.run(linked) if linked else _default_run()
    if linked and row is None:
        trash.show_missing(linked)
    elif row and not row.is_readable:
        st.error("This run uses a method, network or data set that is not installed here. Choose another run.")
    elif row and (reason := unusable_reason(row.config)):
        st.error(reason)
    elif row and explain_rows(row):
        pass
    elif row and not store.with_weights([row.id]):
        _explain_missing_weights(row)
    elif row:
        st.session_state["seen"] = row.id
        return row
    else:
        _offer_first_run()
        return None
    run_picker(None)
    return None


def explain_rows(row: Run) -> bool:
    """Draw why a page about one class per example does not apply to a run; return whether it does not."""
    if not (reason := rows_refusal(row)):
        return False
    st.info(reason)
    link_to_task_page(row)
    return True


def rows_refusal(row: Run) -> str:
    """Return why a page about one class per example does not apply to a run, as a sentence; empty if it does."""
    task = row.config.dataset.task
    if task.has_class_per_example:
        return ""
    if not task.has_class_rows:
        return (
            f"{task.title} has no classes, so there are neither probabilities nor a temperature, and this page does "
            "not apply to this run."
        )
    return f"{task.title} has no class per example, so this page does not apply to this run."


def inspect_refusal(row: Run) -> str:
    """Return why Inspect does not apply to a run, as a sentence; empty if it does."""
    return "" if row.config.dataset.task.inspects_rows else rows_refusal(row)


def link_to_task_page(row: Run) -> None:
    """Draw a link to the page on the task of a run, if there is one."""
    if page := row.config.dataset.task.page:
        st.page_link(
            f"pages/{page}.py", label=f"See its networks on the page {page.capitalize()}",
            icon=":material/arrow_forward:", query_params={"run": row.id},
        )  # fmt: skip


def run_picker(row: Run | None, refusal: Callable[[Run], str] = rows_refusal) -> None:
    """Draw a select box of the newest runs with stored weights, without those that are refused."""
    rows = _newest_runs(refusal)
    if row and row.id not in {other.id for other in rows}:
        rows.append(row)
    select_run(row, _names(rows))


def select_run(row: Run | None, names: Mapping[str, str]) -> None:
    """Draw a select box of runs by id, if there are any; the choice goes into the link."""
    if not names:
        return
    current = row.id if row else None
    st.selectbox(
        "Run", list(names), list(names).index(current) if current else None, key=keys.key("specimen", current),
        format_func=lambda run: names[str(run)], on_change=_choose, placeholder="Choose a run",
    )  # fmt: skip


def current_run(run: str, url: UrlState[Any], *, was_active: bool) -> Run:
    """Return a run as it is now, in a fragment of its page that is repeated while it trains.

    The whole page is drawn again where another run was chosen, or its training has begun or ended.
    """
    url.restore()
    row = manager.get_manager().store.run(run)
    if st.query_params.get("run", run) != run or row is None or (row.state in manager.ACTIVE) != was_active:
        st.rerun()
    assert row is not None
    return row


def _names(rows: list[Run]) -> dict[str, str]:
    """Return unique names of runs by id, since a select box cannot tell equal names apart."""
    names = {}
    for row in rows:
        config = row.available_config or row.config
        networks = f"{config.dataset.title}, {config.teacher.label()} → {config.student.label()}, seed {config.seed}"
        when = datetime.datetime.fromtimestamp(row.created).strftime("%d %b, %H:%M:%S")
        description = f"{networks} · {when} · {method_summary(config.method)}"
        names[row.id] = run_annotations.display_name(row, description, run_annotations.SHORT)
    counts = Counter(names.values())
    return {run: name if counts[name] == 1 else f"{name} · {run[:4]}" for run, name in names.items()}


def _choose() -> None:
    if (run := keys.current_value("specimen")) != st.query_params.get("run"):
        st.query_params.from_dict({"run": run})


def epoch_picker(replay: Replay, snapshot: WeightSnapshot, url: UrlState[Any], is_active: bool = False) -> None:
    """Draw a slider over the epochs whose weights are stored; the choice is the option ``epoch`` of the page."""
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


def _default_run() -> Run | None:
    store = manager.get_manager().store
    if latest := store.run(st.session_state.get("seen", "")):
        return latest
    rows = _newest_runs()
    # Similarities between classes are of more interest among ten classes than among two, so images come first.
    with_images = (row for row in rows if not load(row.config.dataset).is_planar)
    return next(with_images, None) or _first_run() or next(iter(rows), None)


def _newest_runs(refusal: Callable[[Run], str] = rows_refusal) -> list[Run]:
    """Return those of the newest runs whose weights are stored, newest first."""
    store = manager.get_manager().store
    rows = store.runs(MAX_RUNS)
    with_weights = store.with_weights(row.id for row in rows)
    readable = [row for row in rows if row.id in with_weights and row.available_config]
    return [row for row in readable if not unusable_reason(row.config) and not refusal(row)]


def _first_run() -> Run | None:
    """Return the run that the first visitor of a server starts and all others see, unless autoplay is off."""
    if st.query_params.get("autoplay") == "0":
        return None
    with _lock:
        if not _started:
            _started.append(start_automatically(from_flat({"dataset": DATASET})))
    return manager.get_manager().store.run(_started[0])


def _offer_first_run() -> None:
    st.info("No run has been trained here yet. Training one on handwritten digits takes a few seconds.")
    if st.button("Train one", type="primary", icon=":material/play_arrow:"):
        st.query_params.pop("autoplay", None)
        st.rerun()


def _explain_missing_weights(row: Run) -> None:
    """Show the progress of a run that has just started, or why no weights are stored."""
    status = manager.get_manager().status(row.id)
    if status and status.is_active:
        st.fragment(catch_errors(_wait), run_every=0.5, key=f"waiting for {row.id}")(row.id)
        return
    if row.state in (manager.INTERRUPTED, manager.STOPPED):
        history.outcome(row)
        return
    st.warning(
        "The weights of this run were not stored, so its networks cannot be evaluated: it was trained by an earlier "
        "version, or its networks are too large. Training it again with the same settings gives the same numbers."
    )
    if action_button("Train again", type="primary", icon=":material/replay:"):
        st.query_params.from_dict({"run": actions().start(row.config)})
        st.rerun()


def _wait(run: str) -> None:
    status = manager.get_manager().status(run)
    if status is None or not status.is_active or manager.get_manager().store.with_weights([run]):
        st.rerun()
    live_view.progress(status, run_frames(run))
