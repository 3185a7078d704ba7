"""Download of the trained student, and the code that loads it."""

from __future__ import annotations

import streamlit as st

from kd_core.config.plan import STUDENT
from kd_core.datasets import load
from kd_core.export.network_file import network_file
from kd_core.runs import manager
from kd_core.store.store import Run

CODE = """import kd_core as kd
from safetensors import safe_open
from safetensors.torch import load_file

file = "{file}"
config = kd.RunConfig.from_json(safe_open(file, "pt").metadata()["config"])
student = config.student.build({shape}, {classes})
student.load_state_dict(load_file(file))"""


def popover(row: Run) -> None:
    """Draw the button that opens the download; what is in it is drawn when it is opened."""
    place = st.popover("Take the student home", icon=":material/download:", key="home", on_change="rerun")
    if place.open:
        with place:
            _download(row)


def _download(row: Run) -> None:
    store, name = manager.get_manager().store, f"student-{row.id}.safetensors"
    try:
        blob = network_file(store, row, STUDENT)
    except ValueError as error:
        st.caption(str(error))
        return
    data = load(row.config.dataset)
    st.download_button(f"Weights, {len(blob) / 1000:,.1f} kB", blob, name, icon=":material/save:", on_click="ignore")
    st.caption("Safetensors, with the run’s settings inside. To load them:")
    st.code(CODE.format(file=name, shape=tuple(data.shape), classes=len(data.classes)), language="python")
