"""Deleting on the screen: it is asked first, said afterwards, and can be undone until the app is restarted."""

from __future__ import annotations

import datetime

import streamlit as st

from kd_core.runs import manager
from kd_core.store.store import Run
from kd_core.store.trash import TrashItem
from pages.ui.app.actions import action_button, actions
from pages.ui.text.escape import escape_markdown
from pages.ui.text.summaries import run_title

SHOWN = 20


@st.dialog("Delete this run?")
def confirm_delete(row: Run) -> None:
    """What goes with it, and the button that does it."""
    count = manager.get_manager().trash.size_of(row.id)
    st.markdown(_consequences(row, count))
    with st.container(horizontal=True):
        label = f"Delete {count} runs" if count > 1 else "Delete"
        is_done = action_button(label, key="delete now", type="primary", on_click=_delete, args=(row.id,))
        is_kept = st.button("Keep", key="keep")
    if message := st.session_state.pop(f"not deleted {row.id}", ""):
        st.error(escape_markdown(message))
    elif is_done or is_kept:
        st.rerun()


def show_missing(run: str) -> None:
    """Instead of a run that is not here: that it was deleted, with the way back, or that it never was."""
    found = manager.get_manager().trash.find(run)
    if found is None:
        st.error(
            f"There is no run called “{escape_markdown(run[:40])}” here. It may belong to another machine, or "
            f"have been removed."
        )
        return
    with st.container(horizontal=True, vertical_alignment="center", key=f"deleted {run}"):
        what = (
            "This run was deleted" if found.count == 1 else f"This run was deleted with the {found.count} of its sweep"
        )
        st.warning(f"{what}. It can be had back until the app is restarted.", width="stretch")
        _undo(found, f"missing {run}")


def bin_() -> None:
    """Everything that can still be had back."""
    found = manager.get_manager().trash.all()
    if not found:
        return
    with st.expander(f"Deleted ({len(found)})", icon=":material/delete:"):
        st.caption("Removed for good when the app is closed or restarted.")
        for one in found[:SHOWN]:
            with st.container(horizontal=True, vertical_alignment="center"):
                many = f" · {one.count} runs of a sweep" if one.count > 1 else ""
                when = datetime.datetime.fromtimestamp(one.deleted_at).strftime("%H:%M")
                st.markdown(f"{escape_markdown(run_title(one.run))}{many} · deleted {when}", width="stretch")
                _undo(one, f"of {one.id}")


def _consequences(row: Run, count: int) -> str:
    """In sentences: what is deleted, and what else changes by it."""
    said = f"**{escape_markdown(run_title(row))}** goes with its curves, weights and results."
    if count > 1:
        said = (
            f"**{escape_markdown(run_title(row))}** is one of {count} runs of a sweep. They are deleted "
            f"together, with their "
            "curves, weights and results."
        )
    family = [run for run in manager.get_manager().store.siblings(row.family) if run.id != row.id]
    left = [run for run in family if not row.sweep or run.sweep != row.sweep]
    if left and row.state == manager.COMPLETED:
        others = "another run" if len(left) == 1 else f"{len(left)} other runs"
        said += (
            f" The verdict of {others} with the same settings then counts fewer seeds: seeds left out because of their "
            "results make a verdict say what one wishes."
        )
    return f"{said} You can undo this until the app is restarted."


def _delete(run: str) -> None:
    try:
        actions().delete(run)
    except ValueError as error:
        st.session_state[f"not deleted {run}"] = str(error)


def _undo(found: TrashItem, key: str) -> None:
    action_button("Undo", key=f"undo {key}", icon=":material/undo:", on_click=_back, args=(found.id,))
    if message := st.session_state.pop(f"not undone {found.id}", ""):
        st.error(escape_markdown(message))


def _back(run: str) -> None:
    try:
        actions().restore(run)
    except ValueError as error:
        st.session_state[f"not undone {run}"] = str(error)
