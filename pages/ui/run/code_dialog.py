"""Dialog with a run as a script of plain PyTorch, to be copied or downloaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import streamlit as st

from kd_core.config.run import RunConfig
from kd_core.export import code
from pages.ui.app.errors import catch_errors
from pages.ui.widgets.text.escape import escape_markdown

OPEN = "code dialog"  # key of the session
HELP = (
    "The whole training as one script that needs nothing of Distillery: data, networks, loss, loop and evaluation. It "
    "draws the same random numbers, and ends with the same accuracies."
)


def button(
    config: RunConfig,
    changes: Sequence[str] = (),
    *,
    key: str,
    disabled: bool = False,
    kind: Literal["secondary", "tertiary"] = "secondary",
) -> None:
    """Draw the button that opens the dialog, and the dialog while it is open.

    Args:
        config: the run.
        changes: sentences on what else happened in it, which a script does not repeat.
        key: of the button.
        disabled: whether there is nothing to show.
        kind: of the button.
    """
    if st.button("Show me the PyTorch", icon=":material/code:", key=key, help=HELP, disabled=disabled, type=kind):
        st.session_state[OPEN] = key
    if st.session_state.get(OPEN) == key and not disabled:
        _dialog(config, changes)


def _close() -> None:
    st.session_state.pop(OPEN, None)


@st.dialog("The run in plain PyTorch", width="large", on_dismiss=_close)
@catch_errors
def _dialog(config: RunConfig, changes: Sequence[str]) -> None:
    written = code.Script(config, changes)
    text = written.text()
    with st.container(horizontal=True):
        st.download_button("Script", text, "distil.py", "text/x-python", icon=":material/download:", on_click="ignore")
        st.download_button(
            "Notebook", lambda: code.notebook(config, changes=changes), "distil.ipynb", "application/x-ipynb+json",
            icon=":material/download:", on_click="ignore",
        )  # fmt: skip
    for sentence in written.left_out:
        st.warning(escape_markdown(f"Its numbers differ from those of the run: {sentence}"))
    st.code(text, language="python", wrap_lines=True)
