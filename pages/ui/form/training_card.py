"""Parts of the settings for uploaded teacher weights and the device."""

from __future__ import annotations

import streamlit as st

from kd_core.base import devices
from kd_core.config.run import RunConfig
from kd_core.datasets import load
from kd_core.nn import weights
from kd_core.runs import manager
from pages.ui.app import auth, settings
from pages.ui.app.actions import actions
from pages.ui.widgets import keys, options
from pages.ui.widgets.text.escape import escape_markdown

SMOOTHED = (
    "A teacher trained with label smoothing is often more accurate and teaches worse: smoothing removes its "
    "information about the wrong classes (Müller, Kornblith & Hinton 2019, section 4)."
)


def teacher(config: RunConfig) -> None:
    """Draw a warning about a teacher with label smoothing, and the upload of weights."""
    if st.session_state["settings"].get("teacher_smoothing", "0") not in ("0", "0.0"):
        st.warning(SMOOTHED)
    _uploaded_weights(config)


def _uploaded_weights(config: RunConfig) -> None:
    """Draw the choice and the upload of weights for a teacher that was trained elsewhere."""
    data = load(config.dataset)
    matching = {upload.id: upload for upload in weights.find_matching(config.teacher, data.shape, len(data.classes))}
    current = st.session_state["settings"].get("teacher_weights", "")
    with st.expander("Upload a teacher"):
        st.caption(
            f"Weights of a {config.teacher.label()} for this data set, as safetensors. With 0 teacher epochs they are "
            "used unchanged."
        )
        if matching or current:
            ids = ["", *matching, *([current] if current and current not in matching else [])]
            st.selectbox(
                "Teacher’s weights", ids, ids.index(current), key=keys.key("teacher’s weights", current),
                format_func=lambda key: matching[key].name if key in matching else key or "random initialisation",
                on_change=options.apply, args=("teacher_weights", "teacher’s weights", settings.set_option),
            )  # fmt: skip
        if not auth.may_act():
            st.caption("Only a presenter can upload weights.")
            return
        file = st.file_uploader("Weights", key="weights file")
        if file is not None and st.button("Import", key="keep weights"):
            try:
                key = actions().add_weights(file.name, file.getvalue(), config.teacher, data.shape, len(data.classes))
            except ValueError as error:
                st.error(escape_markdown(str(error)))
                return
            settings.set_option("teacher_weights", key)
            st.rerun()


def device(_: RunConfig) -> None:
    """Draw the choice of the device, with its free memory."""
    available = devices.list_devices()
    titles = {device.name: f"{device.name} · {device.title}" for device in available}
    current = st.session_state["settings"].get("device", devices.AUTO)
    preferred = manager.get_manager().preferred[0]
    names = [devices.AUTO, *titles, *([current] if current not in (devices.AUTO, *titles) else [])]
    if error := devices.device_error(current):
        st.error(escape_markdown(error))
    st.selectbox(
        "Device", names, names.index(current), key=keys.key("device", current),
        format_func=lambda name: f"auto: {titles.get(preferred, preferred)}" if name == devices.AUTO
        else titles.get(name, f"{name}: not on this machine"),
        on_change=options.apply, args=("device", "device", settings.set_option),
    )  # fmt: skip
    # Not within the option's title: Streamlit takes an option whose title changes for another option.
    st.caption("; ".join(f"{device.name}: {device.memory_in_words()}" for device in available if device.memory))
