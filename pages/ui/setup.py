"""The form of the lab: data, teacher, student, temperature and alpha, the loss in numbers, and the start button."""

from __future__ import annotations

import streamlit as st

from kd_core import footprint, pictures, runs
from kd_core.catalogue import members
from kd_core.config import Basics, Recipe, RunConfig, TeacherRecipe, read_flat
from kd_core.datasets import load
from kd_core.models import Model
from kd_core.views import Labels
from pages.ui import controls, live, settings
from pages.ui.words import plain

SAMPLES = 12


def form(config: RunConfig) -> tuple[RunConfig, list[str]]:
    """Draws all widgets; returns the configuration that they now show, and what cannot be used."""
    data = load(config.dataset)
    refusals = {name: cls().refusal(data.shape) for name, cls in members("models").items()}  # type: ignore[attr-defined]
    for line in settings.refused_link():
        st.error(f"The link asks for something that does not exist: {plain(line)} The usual value is shown instead.")
    about, teacher, student = st.columns(3, gap="medium", border=True)
    with about:
        controls.member("dataset", "datasets", "Data")
        st.caption(config.dataset.idea)
        _samples(config)
        with st.expander("Options"):
            controls.options(type(config.dataset), "dataset_")
            st.caption(f"{len(data.train):,} train, {len(data.validation):,} validation, {len(data.test):,} test. "
                       f"Source: {config.dataset.source}.")  # fmt: skip
    with teacher:
        controls.member("teacher", "models", "Teacher", refusals)
        _cost("teacher", config)
        st.caption(f"Learns from {_teacher_view(config)}. Trained once, then kept for other runs.")
        with st.expander("Options"):
            controls.options(type(config.teacher), "teacher_")
            controls.options(TeacherRecipe, "teacher_")
    with student:
        controls.member("student", "models", "Student", refusals)
        _cost("student", config)
        st.caption(f"Learns from {config.labels.in_words(data)}, and from the teacher.")
        with st.expander("Options"):
            controls.options(type(config.student), "student_")
            controls.options(Recipe, only=("batch_size", "learning_rate", "optimiser"))
            controls.options(Basics, only=("control",))
    labels, method, training = st.columns(3, gap="medium")
    with labels:
        controls.options(Labels, classes=data.classes)
    with method:
        for name, group in (("method", "methods"), ("scheme", "schemes")):
            if len(members(group)) > 1:
                controls.member(name, group, name.capitalize())
        controls.options(type(config.method))
    with training:
        controls.options(Basics, only=("seed",))
        controls.options(Recipe, only=("epochs",))
    return read_flat(st.session_state["settings"])


def start(config: RunConfig, refused: list[str]) -> str | None:
    """The loss with the chosen numbers, and the button; returns the id of a run that was started."""
    for line in refused:
        st.error(plain(line))
    st.latex(config.method.in_numbers())
    with st.container(horizontal=True, vertical_alignment="bottom"):
        pressed = st.button(
            "Start training",
            type="primary",
            icon=":material/play_arrow:",
            disabled=bool(refused),
            shortcut="Ctrl+Enter",
        )
        pace = st.segmented_control(
            "Pace", list(live.PACES), default="Watch", required=True, key="pace",
            help="How fast you watch. It changes no number.",
        )  # fmt: skip
    return runs.shared().start(config, live.PACES[str(pace)]) if pressed else None


def _teacher_view(config: RunConfig) -> str:
    view = Labels() if config.teacher_recipe.view == "full" else config.labels
    return view.in_words(load(config.dataset))


@st.cache_data(max_entries=256, show_spinner=False, hash_funcs={RunConfig: RunConfig.to_json})
def _numbers(role: str, config: RunConfig) -> tuple[footprint.Footprint, float]:
    model: Model = getattr(config, role)
    data = load(config.dataset)
    return (
        footprint.measure(model, data.shape, len(data.classes)),
        footprint.latency(model, data.shape, len(data.classes)),
    )


def _cost(role: str, config: RunConfig) -> None:
    """Parameters, FLOPs, size and measured latency, before anything is trained."""
    cost, seconds = _numbers(role, config)
    st.markdown(
        f"**{cost.parameters:,}** parameters · {cost.flops / 1000:,.1f} kFLOPs · {cost.size / 1000:,.1f} kB · "
        f"{seconds * 1000:.2f} ms here"
    )


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs={RunConfig: RunConfig.to_json})
def _sources(config: RunConfig) -> list[str]:
    return [one.src for one in pictures.of_validation(config.dataset, range(SAMPLES)) if one.src]


def _samples(config: RunConfig) -> None:
    sources = _sources(config)
    if sources:
        with st.container(horizontal=True, gap="small"):
            for source in sources:
                st.image(source, width=28)
