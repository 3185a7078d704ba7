"""What people say of a run, on the screen: its name, tags, pin and note, and the form that changes them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from kd_core.base.options import shorten
from kd_core.runs import manager
from kd_core.store import annotations as labels
from kd_core.store.annotations import MOST_NAME, MOST_NOTE, MOST_TAG, MOST_TAGS
from kd_core.store.store import Run
from pages.ui.app import auth
from pages.ui.app.actions import actions, toast_errors
from pages.ui.run import trash
from pages.ui.text.escape import escape_markdown

SHORT = 24  # characters of a name among others
TEXT = 640  # pixels


def display_name(row: Run, automatic: str, most: int = MOST_NAME) -> str:
    """The name of a run before the words made of its settings, or these alone; as text, not as Markdown."""
    return f"{shorten(row.annotations.name, most)} · {automatic}" if row.annotations.name else automatic


def header(row: Run, automatic: str) -> None:
    """One quiet line under the header of a run, ``automatic`` made of its settings; with what changes it."""
    own = row.annotations
    # The width makes the buttons a line of their own on a small screen.
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="labels"):
        with st.container(width=TEXT, gap=None):
            if own.name or own.tags:
                st.markdown((f"**{escape_markdown(own.name)}**" if own.name else "") + badges(own.tags))
            st.caption(automatic)
        if auth.may_act():
            with st.container(horizontal=True, width="content", gap="small"):
                _buttons(row, automatic)
    if own.note:
        note(own.note)


def badges(tags: Sequence[str]) -> str:
    """Tags as Markdown, to stand behind other words."""
    return "".join(f" :gray-badge[{escape_markdown(tag)}]" for tag in tags)


def _buttons(row: Run, automatic: str) -> None:
    is_pinned = row.annotations.is_pinned
    st.button(
        "Unpin" if is_pinned else "Pin", icon=":material/keep_off:" if is_pinned else ":material/keep:", key="pin",
        on_click=_pin, args=(row.id, not is_pinned), help="Pinned runs come first in every list.",
    )  # fmt: skip
    with st.popover("Name, tags, note", icon=":material/edit:"):
        _form(row, automatic)


def note(text: str) -> None:
    """A note as it was typed, line by line."""
    # What plain() leaves alone makes a heading of the line above it, or code of a line that is indented.
    lines = [escape_markdown(line.strip()).replace("=", "\\=") for line in text.split("\n")]
    st.markdown("  \n".join(lines))


def _form(row: Run, automatic: str) -> None:
    shared, own = manager.get_manager(), row.annotations
    made = st.session_state.get(f"labelled {row.id}", 0)  # of a refused wish the form keeps what was typed
    with st.form(f"labels {row.id} {made}", border=False):
        name = st.text_input("Name", own.name, max_chars=MOST_NAME, placeholder=automatic)
        tags = st.multiselect(
            "Tags", list(dict.fromkeys([*own.tags, *shared.annotation_store.tags()])), list(own.tags),
            accept_new_options=True, placeholder="Choose, or type a new one",
            help=f"{MOST_TAGS} at most, of {MOST_TAG} characters each. Compare can show the runs of a tag alone.",
        )  # fmt: skip
        said = st.text_area("Note", own.note, max_chars=MOST_NOTE)
        if st.form_submit_button("Save", type="primary", icon=":material/check:"):
            try:
                wish = labels.normalize(name, tags, said, is_pinned=own.is_pinned)
                actions().label(row.id, wish)
            except ValueError as error:
                st.error(escape_markdown(str(error)))
            else:
                st.session_state[f"labelled {row.id}"] = made + 1
                st.rerun()
    if row.state in manager.ACTIVE:
        st.caption("Stop this run before you delete it.")
    elif st.button("Delete …", key="delete", icon=":material/delete:"):
        trash.confirm_delete(row)


@toast_errors
def _pin(run: str, is_pinned: bool) -> None:
    actions().pin(run, is_pinned=is_pinned)
