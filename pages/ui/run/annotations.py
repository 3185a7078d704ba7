"""Header of a run with its name, tags and note, and the form that changes them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from kd_core.base.options import shorten
from kd_core.runs import manager
from kd_core.store.annotations import MOST_NAME, MOST_NOTE, MOST_TAG, MOST_TAGS, normalize
from kd_core.store.store import Run, SweepRow
from pages.ui.app import auth
from pages.ui.app.actions import actions
from pages.ui.app.errors import toast_errors
from pages.ui.run import trash
from pages.ui.widgets.text.escape import escape_markdown

SHORT = 24  # characters of a name in a list
TEXT_WIDTH = 640  # pixels


def display_name(row: Run | SweepRow, description: str, most: int = MOST_NAME) -> str:
    """Return the name of a run or sweep, if it has one, and ``description``, as plain text (not Markdown)."""
    return f"{shorten(row.annotations.name, most)} · {description}" if row.annotations.name else description


def header(row: Run, description: str) -> None:
    """Draw a run's name, tags, description and note, with buttons that change them."""
    annotations = row.annotations
    # With this width the buttons wrap to a line of their own on a small screen.
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="labels"):
        with st.container(width=TEXT_WIDTH, gap=None):
            if annotations.name or annotations.tags:
                name = f"**{escape_markdown(annotations.name)}**" if annotations.name else ""
                st.markdown(name + badges(annotations.tags))
            st.caption(description)
        if auth.may_act():
            with st.container(horizontal=True, width="content", gap="small"):
                _buttons(row, description)
    if annotations.note:
        note(annotations.note)


def badges(tags: Sequence[str]) -> str:
    """Return tags as Markdown badges, each after a space."""
    return "".join(f" :gray-badge[{escape_markdown(tag)}]" for tag in tags)


def _buttons(row: Run, description: str) -> None:
    is_pinned = row.annotations.is_pinned
    st.button(
        "Unpin" if is_pinned else "Pin", icon=":material/keep_off:" if is_pinned else ":material/keep:", key="pin",
        on_click=_pin, args=(row.id, not is_pinned), help="Pinned runs come first in every list.",
    )  # fmt: skip
    with st.popover("Name, tags, note", icon=":material/edit:"):
        _form(row, description)


def note(text: str) -> None:
    """Draw a note with its line breaks."""
    # A line of "=" makes a heading of the line above it, and an indented line becomes code.
    lines = [escape_markdown(line.strip()).replace("=", "\\=") for line in text.split("\n")]
    st.markdown("  \n".join(lines))


def _form(row: Run, description: str) -> None:
    annotations = row.annotations
    # The key changes only when annotations are saved, so that the form keeps an input that was refused.
    saves = st.session_state.get(f"labelled {row.id}", 0)
    with st.form(f"labels {row.id} {saves}", border=False):
        name = st.text_input("Name", annotations.name, max_chars=MOST_NAME, placeholder=description)
        all_tags = dict.fromkeys([*annotations.tags, *manager.get_manager().annotation_store.tags()])
        tags = st.multiselect(
            "Tags", list(all_tags), list(annotations.tags),
            accept_new_options=True, placeholder="Choose, or type a new one",
            help=f"At most {MOST_TAGS} tags of {MOST_TAG} characters each. Compare can filter runs by tag.",
        )  # fmt: skip
        text = st.text_area("Note", annotations.note, max_chars=MOST_NOTE)
        if st.form_submit_button("Save", type="primary", icon=":material/check:"):
            try:
                actions().label(row.id, normalize(name, tags, text, is_pinned=annotations.is_pinned))
            except ValueError as error:
                st.error(escape_markdown(str(error)))
            else:
                st.session_state[f"labelled {row.id}"] = saves + 1
                st.rerun()
    if row.state in manager.ACTIVE:
        st.caption("Stop this run before you delete it.")
    elif st.button("Delete …", key="delete", icon=":material/delete:"):
        trash.confirm_delete(row)


@toast_errors
def _pin(run: str, is_pinned: bool) -> None:
    actions().pin(run, is_pinned=is_pinned)
