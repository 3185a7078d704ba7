"""Deletion of runs with confirmation, and the list of deleted runs that can be restored."""

from __future__ import annotations

import datetime

import streamlit as st

from kd_core.runs import manager
from kd_core.store.store import Run
from kd_core.store.trash import TrashItem
from pages.ui.app.actions import action_button, actions
from pages.ui.widgets.text.escape import escape_markdown
from pages.ui.widgets.text.summaries import run_title

MAX_ITEMS = 20


@st.dialog("Delete this run?")
def confirm_delete(row: Run) -> None:
    """Draw the dialog that says what is deleted and asks for confirmation."""
    count = manager.get_manager().trash.size_of(row.id)
    st.markdown(_consequences(row, count))
    with st.container(horizontal=True):
        label = f"Delete {count} runs" if count > 1 else "Delete"
        is_deleted = action_button(label, key="delete now", type="primary", on_click=_delete, args=(row.id,))
        is_cancelled = st.button("Cancel", key="keep")
    if message := st.session_state.pop(f"not deleted {row.id}", ""):
        st.error(escape_markdown(message))
    elif is_deleted or is_cancelled:
        st.rerun()


def show_missing(run: str) -> None:
    """Show that a run was deleted, with a button that restores it, or that there is no such run."""
    item = manager.get_manager().trash.find(run)
    if item is None:
        st.error(
            f"There is no run called “{escape_markdown(run[:40])}” here. It may be on another machine, or have been "
            "removed."
        )
        return
    with st.container(horizontal=True, vertical_alignment="center", key=f"deleted {run}"):
        extent = "" if item.count == 1 else f" with all {item.count} runs of its sweep"
        st.warning(f"This run was deleted{extent}. It can be restored until the app is restarted.", width="stretch")
        _undo(item, f"missing {run}")


def bin_() -> None:
    """Draw the list of deleted runs, each with a button that restores it."""
    items = manager.get_manager().trash.all()
    if not items:
        return
    with st.expander(f"Deleted ({len(items)})", icon=":material/delete:"):
        st.caption("Deleted permanently when the app is closed or restarted.")
        for item in items[:MAX_ITEMS]:
            with st.container(horizontal=True, vertical_alignment="center"):
                count = f" · {item.count} runs of a sweep" if item.count > 1 else ""
                when = datetime.datetime.fromtimestamp(item.deleted_at).strftime("%H:%M")
                st.markdown(f"{escape_markdown(run_title(item.run))}{count} · deleted {when}", width="stretch")
                _undo(item, f"of {item.id}")


def _consequences(row: Run, count: int) -> str:
    """Return what is deleted with a run, and which results change, in sentences."""
    title = f"**{escape_markdown(run_title(row))}**"
    text = f"{title} is deleted with its curves, weights and results."
    if count > 1:
        text = (
            f"{title} is one of {count} runs of a sweep. They are deleted together, with their curves, weights and "
            "results."
        )
    family = [run for run in manager.get_manager().store.siblings(row.family) if run.id != row.id]
    remaining = [run for run in family if not row.sweep or run.sweep != row.sweep]
    if remaining and row.state == manager.COMPLETED:
        others = "another run" if len(remaining) == 1 else f"{len(remaining)} other runs"
        text += (
            f" The result of {others} with the same settings will then be based on fewer seeds. Leaving out seeds "
            "because of their results biases the comparison."
        )
    return f"{text} You can undo this until the app is restarted."


def _delete(run: str) -> None:
    try:
        actions().delete(run)
    except ValueError as error:
        st.session_state[f"not deleted {run}"] = str(error)


def _undo(item: TrashItem, key: str) -> None:
    action_button("Undo", key=f"undo {key}", icon=":material/undo:", on_click=_restore, args=(item.id,))
    if message := st.session_state.pop(f"not restored {item.id}", ""):
        st.error(escape_markdown(message))


def _restore(run: str) -> None:
    try:
        actions().restore(run)
    except ValueError as error:
        st.session_state[f"not restored {run}"] = str(error)
