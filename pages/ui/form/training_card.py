"""How networks are trained, on the form: the recipe of the teacher and of the students, and what computes it."""

from __future__ import annotations

import streamlit as st

from kd_core.base import devices
from kd_core.base.options import options_of
from kd_core.config.compute import Compute
from kd_core.config.recipe import STEPS, BaseRecipe, TeacherRecipe
from kd_core.config.run import RunConfig
from kd_core.datasets import load
from kd_core.nn import weights
from kd_core.runs import manager
from pages.ui.app import auth, settings
from pages.ui.app.actions import actions
from pages.ui.app.errors import show_refusals
from pages.ui.text.escape import escape_markdown
from pages.ui.widgets import keys, options, partial_rerun

AT_HAND = ("batch_size", "learning_rate", "optimiser")
SMOOTHED = (
    "A teacher trained on smoothed labels is often better itself and teaches worse: what it knew about the wrong "
    "classes is what was smoothed away (Müller, Kornblith & Hinton 2019, section 4)."
)


def recipe(cls: type[BaseRecipe], prefix: str = "", called: str = "") -> None:
    """What one changes less often; only what counts under the chosen schedule."""
    names = ["schedule", "rate_warm_up", "weight_decay", "clip", "ema", "patience", "keep"]
    if st.session_state["settings"].get(f"{prefix}schedule") == STEPS:
        names[1:1] = ["milestones", "lowered_to"]
    if cls is TeacherRecipe:
        names.append("smoothing")
    with st.expander(f"{called} recipe".strip().capitalize()):
        options.options(cls, prefix, only=tuple(names), called=called)
        if cls is TeacherRecipe and _is_smoothed():
            st.warning(SMOOTHED)


@partial_rerun.layout_dependency
def _is_smoothed(_: RunConfig | None = None) -> bool:
    return st.session_state["settings"].get("teacher_smoothing", "0") not in ("0", "0.0")


def uploaded_weights(config: RunConfig) -> None:
    """A teacher that was trained elsewhere: its weights, for the family that is chosen."""
    data = load(config.dataset)
    fitting = {found.id: found for found in weights.find_matching(config.teacher, data.shape, len(data.classes))}
    current = st.session_state["settings"].get("teacher_weights", "")
    with st.expander("A teacher of your own"):
        st.caption(
            f"Weights of a {config.teacher.label()} for these data, as safetensors. With 0 epochs it teaches as it is."
        )
        if fitting or current:
            names = ["", *fitting, *([current] if current and current not in fitting else [])]
            st.selectbox(
                "Teacher’s weights", names, names.index(current), key=keys.key("teacher’s weights", current),
                format_func=lambda key: fitting[key].name if key in fitting else key or "new ones",
                on_change=options.apply, args=("teacher_weights", "teacher’s weights", settings.set_option),
            )  # fmt: skip
        if not auth.may_act():
            st.caption("Only a presenter can upload weights.")
            return
        file = st.file_uploader("Weights", key="weights file")
        if file is not None and st.button("Check and keep them", key="keep weights", on_click=partial_rerun.full_rerun):
            try:
                key = actions().add_weights(file.name, file.getvalue(), config.teacher, data.shape, len(data.classes))
            except ValueError as error:
                st.error(escape_markdown(str(error)))
                return
            settings.set_option("teacher_weights", key)
            st.rerun()


def computing(refused: list[str]) -> None:
    """The device with what it is called and what is free there, and how exactly it computes."""
    texts = st.session_state["settings"]
    found = devices.list_devices()
    offered = {device.name: f"{device.name} · {device.title}" for device in found}
    current = texts.get("device", devices.AUTO)
    first = manager.get_manager().preferred[0]
    names = [devices.AUTO, *offered, *([current] if current not in (devices.AUTO, *offered) else [])]
    with st.expander("Device and precision"):
        show_refusals(refused, set(options_of(Compute)))
        if said := devices.device_error(current):
            st.error(escape_markdown(said))
        st.selectbox(
            "Device", names, names.index(current), key=keys.key("device", current),
            format_func=lambda name: f"auto: {offered.get(first, first)}" if name == devices.AUTO
            else offered.get(name, f"{name}: not on this machine"),
            on_change=options.apply, args=("device", "device", settings.set_option),
        )  # fmt: skip
        # Beside the choice, not in it: an option whose words change is another option to Streamlit.
        st.caption("; ".join(f"{device.name}: {device.memory_in_words()}" for device in found if device.memory))
        options.options(Compute, only=("precision", "channels_last", "compiled"))
