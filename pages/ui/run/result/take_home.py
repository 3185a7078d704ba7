"""Dialog that exports the networks and the record of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from kd_core.api.stored import StoredRun
from kd_core.base.marks import ROLES
from kd_core.export import formats
from kd_core.export.network.inputs import usage
from kd_core.export.network.stored import load_network, roles_of
from kd_core.runs import manager
from kd_core.store.store import Run
from pages.ui.app.errors import catch_errors
from pages.ui.widgets.text import roles
from pages.ui.widgets.text.escape import escape_markdown

OPEN = "take home dialog"  # key of the session; the id of a run
CONTENT = """\
- `model.py`, the network in plain PyTorch, and `model.safetensors`, its weights
{script}- ONNX and `.pt2`, compared with the network on every test example
- `README.md`, a model card with data, licence, results, intervals and limits
- `config.json` and `metrics.json`, all settings and numbers"""
SCRIPTS = {
    "predict.py": "- `predict.py`, which predicts the classes of your own files\n",
    "write.py": "- `write.py`, which continues a text\n",
}
LINES = """\
unzip {file} -d {folder} && cd {folder}
pip install {packages}
{command}"""


def button(row: Run) -> None:
    """Draw the button that opens the dialog, and the dialog while it is open."""
    if st.button("Take the student home", icon=":material/download:", key="home"):
        st.session_state[OPEN] = row.id
    if st.session_state.get(OPEN) == row.id:
        _dialog(row)


def _close() -> None:
    st.session_state.pop(OPEN, None)


@st.dialog("Take the student home", width="medium", on_dismiss=_close)
@catch_errors
def _dialog(row: Run) -> None:
    networks = roles_of(row)
    role = st.segmented_control(
        "Network", networks, default=networks[0], required=True, key=f"home network {row.id}", format_func=_label
    )
    store = manager.get_manager().store
    try:
        network = load_network(store, row, role, _networks(row))
    except ValueError as error:
        st.info(escape_markdown(str(error)), icon=":material/info:")
        _buttons(row, role, formats.RUN)
        return
    if network.mark:
        st.warning(
            f"This network is not the result of a whole run ({network.mark}); its card says so.",
            icon=":material/warning:",
        )
    script = network.data.task.script
    st.markdown(CONTENT.format(script=SCRIPTS.get(script, "")))
    _download(row, role, "zip", "Download the ZIP", is_primary=True)
    if sentence := formats.FORMATS["onnx"].missing:
        st.caption(f"The ZIP lacks the ONNX file. {sentence}")
    packages, command = usage(network.data)
    if script:
        lines = {"file": formats.file_name(row, "zip", role), "folder": role, "packages": packages, "command": command}
        st.code(LINES.format(**lines), language="bash", wrap_lines=True)
    else:
        st.caption(f"There is no script that answers yet for {network.data.task.title.lower()}.")
    st.markdown("**Single files**")
    _buttons(row, role, formats.NETWORK)
    st.markdown("**The run**")
    _buttons(row, role, formats.RUN)


def _buttons(row: Run, role: str, takes: str) -> None:
    with st.container(horizontal=True, gap="small"):
        for to, chosen in formats.FORMATS.items():
            if chosen.takes == takes and to != "zip":
                _download(row, role, to, chosen.title)


def _download(row: Run, role: str, to: str, label: str, *, is_primary: bool = False) -> None:
    """Draw a button that makes a file when it is pressed."""
    chosen = formats.FORMATS[to]
    st.download_button(
        label, _maker(row, role, to), formats.file_name(row, to, role), chosen.media_type,
        key=f"home {to} {row.id} {role}", type="primary" if is_primary else "secondary", icon=":material/download:",
        on_click="ignore", disabled=bool(chosen.missing), help=chosen.missing or None,
    )  # fmt: skip


def _maker(row: Run, role: str, to: str) -> Callable[[], bytes]:
    store, networks = manager.get_manager().store, _networks(row)
    return lambda: formats.export_beside_training(store, row.id, role, to, networks).content


def _networks(row: Run) -> Callable[[], Mapping[str, Any]]:
    store = manager.get_manager().store
    return lambda: StoredRun(store, row).networks


def _label(role: str) -> str:
    style = ROLES.get(role)
    return f"{style['glyph']} {style['name']}" if style else roles.title(role)
