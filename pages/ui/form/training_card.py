"""Parts of the settings for the teacher and the device."""

from __future__ import annotations

import streamlit as st

from kd_core.base import devices
from kd_core.config.run import RunConfig
from kd_core.files.teachers.provenance import Provenance, provenance
from kd_core.runs import manager
from kd_core.schemes import teacher_phase
from pages.ui.app import settings
from pages.ui.form import teacher_dialog
from pages.ui.widgets import keys, options
from pages.ui.widgets.text.escape import escape_markdown

SMOOTHED = (
    "A teacher trained with label smoothing is often more accurate and teaches worse: smoothing removes its "
    "information about the wrong classes (Müller, Kornblith & Hinton 2019, section 4)."
)


def teacher(config: RunConfig) -> None:
    """Draw a warning about a teacher with label smoothing, and the way to a teacher from a file."""
    if st.session_state["settings"].get("teacher_smoothing", "0") not in ("0", "0.0"):
        st.warning(SMOOTHED)
    if (origin := origin_of(config)) is not None:
        st.caption(escape_markdown(origin.in_words()))
    teacher_dialog.button()


def origin_of(config: RunConfig) -> Provenance | None:
    """Return the provenance of the teacher, if it was imported."""
    key = teacher_phase(config).learners[0].imported
    return provenance(key) if key else None


def device(_: RunConfig) -> None:
    """Draw the choice of the device, with its free memory."""
    available = devices.list_devices()
    titles = {device.name: f"{device.name} · {device.title}" for device in available}
    cluster, name = manager.get_manager().cluster, "device"
    if cluster is not None:
        titles[devices.CLUSTER] = cluster.title()
        name = f"device {cluster.title()}"  # another widget, since the title changes when the cluster is connected
    current = st.session_state["settings"].get("device", devices.AUTO)
    preferred = manager.get_manager().preferred[0]
    names = [devices.AUTO, *titles, *([current] if current not in (devices.AUTO, *titles) else [])]
    if error := devices.device_error(current):
        st.error(escape_markdown(error))
    elif cluster is not None and current == devices.CLUSTER and (problem := cluster.problem or cluster.notice):
        st.warning(escape_markdown(problem))
    st.selectbox(
        "Device", names, names.index(current), key=keys.key(name, current),
        format_func=lambda name: f"auto: {titles.get(preferred, preferred)}" if name == devices.AUTO
        else titles.get(name, f"{name}: not on this machine"),
        on_change=options.apply, args=("device", name, settings.set_option),
    )  # fmt: skip
    # Not within the option's title: Streamlit takes an option whose title changes for another option.
    st.caption("; ".join(f"{device.name}: {device.memory_in_words()}" for device in available if device.memory))
