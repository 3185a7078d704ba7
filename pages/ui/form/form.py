"""The form of the lab: data, teacher, student, temperature and alpha, the loss in numbers, and the start button."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import streamlit as st

from kd_core.base import devices
from kd_core.base.options import Options, options_of
from kd_core.base.registry import Plugin, find_plugin, plugins
from kd_core.config.augmentation import Augmentation
from kd_core.config.compute import Compute
from kd_core.config.label_subset import LabelSubset
from kd_core.config.recipe import Recipe, RunOptions, TeacherRecipe
from kd_core.config.run import PLUGIN_FIELDS, RunConfig
from kd_core.datasets import Dataset, load
from kd_core.methods import Method, Pair
from kd_core.models import Model
from kd_core.nn import cost
from kd_core.store.store import Run
from pages.ui.app import settings
from pages.ui.app.actions import action_button, actions
from pages.ui.app.errors import catch_errors, show_refusals
from pages.ui.form import data_card, feature_diagram, method_card, plan_diagram, scheme_card, training_card
from pages.ui.run import live_controls
from pages.ui.text import plan
from pages.ui.text.escape import escape_markdown
from pages.ui.widgets import options, partial_rerun


@catch_errors
def form(row: Run | None) -> None:
    """Draws all widgets, writes what they show into the address, and starts a run when asked to.

    Most turns of a widget draw parts of it alone: see :mod:`pages.ui.widgets.partial_rerun`.
    """
    partial_rerun.begin_form()
    config, refused = settings.sync(row.config if row else None)
    data = load(config.dataset)
    unfit = {name: cls().unsupported_reason(data.shape) for name, cls in plugins("models").items()}  # type: ignore[attr-defined]
    for line in settings.link_errors():
        st.error(f"The link asks for what cannot be had: {escape_markdown(line)} The usual is shown instead.")
    about, networks = st.columns([1, 2], gap="medium")
    card = about.container(border=True)
    if config.dataset != data_card.selected_dataset():
        with card:
            data_card.show(config, data, refused)
        networks.caption("Networks, method and plan appear here once there are data.")
        settings.write_url(config, row.id if row else None, refused)
        return
    with networks:
        teacher, student = st.columns(2, gap="medium", border=True)
        taught = st.container(border=True)
    # What is drawn first is on the screen first: the answers to a turn of a widget come before all the widgets.
    with st.container():
        started = _start(config, refused)
    with student:
        _student(unfit, refused)
    with teacher:
        _teacher(config, unfit, refused)
    with taught:
        scheme_card.choose(refused)
        method_card.choose(config, refused)
    with card:
        data_card.show(config, data, refused)
    training_card.computing(refused)
    _plan(config, is_open=row is None)
    settings.write_url(config, started or (row.id if row else None), refused)
    if started:
        st.rerun()
    partial_rerun.end_form()


def _plan(config: RunConfig, *, is_open: bool) -> None:
    """What is known about scheme and method, and drawings of both."""
    arranged, matched = st.columns(2, gap="medium")
    with arranged:
        scheme_card.about(scheme_card.selected_scheme())
    with matched:
        method_card.about(type(method_card.selected_method()))
    with st.expander("The plan", expanded=is_open):
        if not _goes_together(config):
            st.caption("The plan is drawn here once these settings go together.")
            return
        whom, where = st.tabs(["Who teaches whom", "What is matched where"])
        with whom:
            _arrangement()
        with where:
            _matching()


@partial_rerun.layout_dependency
def _goes_together(config: RunConfig) -> bool:
    return isinstance(config.scheme, scheme_card.selected_scheme()) and config.method == method_card.selected_method()


@partial_rerun.figure(lambda config: (plan_diagram.facts(config), plan_diagram.table(config)))
def _arrangement(said: tuple[Any, Any]) -> None:
    plan_diagram.show(*said)


@partial_rerun.figure(feature_diagram.drawing)
def _matching(said: tuple[Any, Any]) -> None:
    feature_diagram.show(*said)


def _teacher(config: RunConfig, unfit: dict[str, str], refused: list[str]) -> None:
    options.plugin_select("teacher", "models", "Teacher", unfit)
    show_refusals(refused, _names("teacher", TeacherRecipe))
    teachers_part()
    with st.expander("Options"):
        options.options(_family("teacher"), "teacher_")
        options.options(
            TeacherRecipe, "teacher_", only=("epochs", *training_card.AT_HAND, "seed", "view"),
            called=settings.TEACHERS,
        )  # fmt: skip
    training_card.recipe(TeacherRecipe, "teacher_", settings.TEACHERS)
    training_card.uploaded_weights(config)


def _student(unfit: dict[str, str], refused: list[str]) -> None:
    options.plugin_select("student", "models", "Student", unfit)
    show_refusals(refused, _names("student"))
    students_part()
    with st.expander("Options"):
        options.options(_family("student"), "student_")
        options.options(Recipe, only=training_card.AT_HAND)
        options.options(RunOptions, only=("control",))
    training_card.recipe(Recipe, called="Students’")


@partial_rerun.output(lambda config: (_cost(config.teacher, config.dataset), plan.network_notes(config)["teacher"]))
def teachers_part(said: tuple[str, str]) -> None:
    """What the teacher costs, and what it learns from."""
    st.markdown(said[0])
    st.caption(said[1])


def _of_student(config: RunConfig) -> tuple[str, str]:
    taught = None if config.method.discards_adapters else (config.method, plan.compared_pair(config))
    return _cost(config.student, config.dataset, taught), plan.network_notes(config)["student"]


@partial_rerun.output(_of_student)
def students_part(said: tuple[str, str]) -> None:
    """What the student costs, and what it learns from."""
    st.markdown(said[0])
    st.caption(said[1])


@partial_rerun.output(lambda config: plan.formula(config, method_card.selected_method()))
def formula(said: str) -> None:
    """The loss with the chosen numbers."""
    st.latex(said)


def _names(card: str, *more: type[Options]) -> set[str]:
    """The settings of a card, whose refusals are said there."""
    return {card, *(f"{card}_{name}" for cls in (_family(card), *more) for name in options_of(cls))}


def _family(role: str) -> type[Plugin]:
    """What the settings name, also while it does not fit the data."""
    group = next(group for name, group, _ in PLUGIN_FIELDS if name == role)
    return find_plugin(group, st.session_state["settings"][role])


def _start(config: RunConfig, refused: list[str]) -> str | None:
    """The loss with the chosen numbers, and the button; returns the id of a run that was started."""
    said = {
        "method",
        *_names("dataset"),
        *_names("teacher", TeacherRecipe),
        *_names("student"),
        *options_of(LabelSubset),
    }
    said |= {"scheme", *options_of(scheme_card.selected_scheme()), *options_of(Augmentation), *options_of(Compute)}
    for line in refused:
        if line.split(" ", 1)[0] not in said:  # said elsewhere
            st.error(escape_markdown(settings.with_labels(line)))
    formula()
    epochs, seed, press = st.columns([1, 1, 4], gap="medium", vertical_alignment="bottom")
    with epochs:
        options.options(Recipe, only=("epochs",))
    with seed:
        options.options(RunOptions, only=("seed",))
    with press, st.container(horizontal=True, vertical_alignment="bottom"):
        pressed = action_button(
            "Start training",
            type="primary",
            icon=":material/play_arrow:",
            disabled=bool(refused or devices.device_error(config.compute.device)),
            shortcut="Ctrl+Enter",
            on_click=partial_rerun.full_rerun,
        )
        pace = st.segmented_control(
            "Pace", list(live_controls.PACES), default="Watch", required=True, key="pace",
            help="How fast you watch. It changes no number.",
        )  # fmt: skip
        if st.button("Sweep this", icon=":material/grid_on:", type="tertiary", on_click=partial_rerun.full_rerun):
            st.switch_page("pages/sweep.py", query_params=config.differences())
    return actions().start(config, live_controls.PACES[str(pace)]) if pressed else None


@functools.lru_cache(maxsize=256)
def _numbers(model: Model, dataset: Dataset, taught: tuple[Method, Pair] | None) -> tuple[cost.NetworkCost, float]:
    shape, classes = load(dataset).shape, len(load(dataset).classes)
    # Nothing is fetched to say what it would cost.
    build = (
        functools.partial(taught[0].build, replace(taught[1], student=model.without_pretrained()))
        if taught
        else functools.partial(model.without_pretrained().build, shape, classes)
    )
    return cost.measure(build, shape), cost.latency(build, shape)


def _cost(model: Model, dataset: Dataset, taught: tuple[Method, Pair] | None = None) -> str:
    """Parameters, FLOPs, size and measured latency, before anything is trained.

    ``taught``: some methods make another network of the student, with layers of the teacher's.
    """
    cost, seconds = _numbers(model, dataset, taught)
    return (
        f"**{cost.parameters:,}** parameters · {cost.flops / 1000:,.1f} kFLOPs · {cost.size / 1000:,.1f} kB · "
        f"{seconds * 1000:.2f} ms here"
    )
