"""The form of the lab: data, teacher, student, temperature and alpha, the loss in numbers, and the start button."""

from __future__ import annotations

import streamlit as st

from kd_core import footprint, pictures, runs
from kd_core.catalogue import members
from kd_core.config import Basics, Recipe, RunConfig, TeacherRecipe, read_flat
from kd_core.datasets import Data, Dataset, load
from kd_core.models import Model
from kd_core.probes import extent
from kd_core.store import Run
from kd_core.views import Labels
from pages.ui import controls, feed, live, settings
from pages.ui.errors import spared
from pages.ui.words import plain

SAMPLES = 10


@st.fragment
@spared
def form(row: Run | None) -> None:
    """Draws all widgets, writes what they show into the address, and starts a run when asked to.

    A fragment: a turn of a widget draws the form again and leaves the rest of the page, and ``row``'s run on it, alone.
    """
    config = settings.chosen(row.config if row else None)
    data = load(config.dataset)
    refusals = {name: cls().refusal(data.shape) for name, cls in members("models").items()}  # type: ignore[attr-defined]
    for line in settings.refused_link():
        st.error(f"The link asks for something that does not exist: {plain(line)} The usual value is shown instead.")
    about, networks = st.columns([1, 2], gap="medium")
    with about, st.container(border=True):
        _data(config, data)
    with networks:
        teacher, student = st.columns(2, gap="medium", border=True)
        with teacher:
            _teacher(config, refusals)
        with student:
            _student(config, refusals)
        method, training = st.columns(2, gap="medium")
        with method:
            for name, group in (("method", "methods"), ("scheme", "schemes")):
                if len(members(group)) > 1:
                    controls.member(name, group, name.capitalize())
            controls.options(type(config.method))
        with training:
            controls.options(Basics, only=("seed",))
            controls.options(Recipe, only=("epochs",))
        config, refused = read_flat(st.session_state["settings"])
        started = _start(config, refused)
    settings.write_link(config, started or (row.id if row else None))
    if started:
        st.rerun()


def _data(config: RunConfig, data: Data) -> None:
    controls.member("dataset", "datasets", "Data")
    st.caption(config.dataset.idea)
    _samples(config)
    controls.options(Labels, classes=data.classes)
    with st.expander("Options and source"):
        controls.options(type(config.dataset), "dataset_")
        st.caption(
            f"{len(data.train):,} train, {len(data.validation):,} validation, {len(data.test):,} test. "
            f"Source: {config.dataset.source}."
        )


def _teacher(config: RunConfig, refusals: dict[str, str]) -> None:
    controls.member("teacher", "models", "Teacher", refusals)
    _cost(config.teacher, config.dataset)
    view, _ = config.teacher_view
    st.caption(f"Learns from {view.in_words(load(config.dataset))}. Trained once, then kept for other runs.")
    with st.expander("Options"):
        controls.options(type(config.teacher), "teacher_")
        controls.options(TeacherRecipe, "teacher_")


def _student(config: RunConfig, refusals: dict[str, str]) -> None:
    controls.member("student", "models", "Student", refusals)
    _cost(config.student, config.dataset)
    st.caption(f"Learns from {config.labels.in_words(load(config.dataset))}, and from the teacher.")
    with st.expander("Options"):
        controls.options(type(config.student), "student_")
        controls.options(Recipe, only=("batch_size", "learning_rate", "optimiser"))
        controls.options(Basics, only=("control",))


def _start(config: RunConfig, refused: list[str]) -> str | None:
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


@st.cache_data(max_entries=256, show_spinner=False, hash_funcs={Model: repr, Dataset: repr})
def _numbers(model: Model, dataset: Dataset) -> tuple[footprint.Footprint, float]:
    shape, classes = load(dataset).shape, len(load(dataset).classes)
    return footprint.measure(model, shape, classes), footprint.latency(model, shape, classes)


def _cost(model: Model, dataset: Dataset) -> None:
    """Parameters, FLOPs, size and measured latency, before anything is trained."""
    cost, seconds = _numbers(model, dataset)
    st.markdown(
        f"**{cost.parameters:,}** parameters · {cost.flops / 1000:,.1f} kFLOPs · {cost.size / 1000:,.1f} kB · "
        f"{seconds * 1000:.2f} ms here"
    )


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs={Dataset: repr})
def _sources(dataset: Dataset) -> list[str]:
    return [one.src for one in pictures.of_validation(dataset, range(SAMPLES)) if one.src]


def _samples(config: RunConfig) -> None:
    """A few images as they are written; points as the student is shown them, wrong labels marked."""
    data = load(config.dataset)
    if data.is_planar:
        with st.container(width=260):
            feed.mount(
            "surfaces", f"preview {config.to_json()}", [], key="preview",
            classes=list(data.classes), extent=extent(data), roles=["student"], live=False,
            titles={"student": "What the student is shown"}, captions={}, points=live.points(config),
        )  # fmt: skip
        return
    st.image(_sources(config.dataset), width=28)
