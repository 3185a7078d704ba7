"""Form that sets up a run, with its loss formula, start button and plan."""

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
    """Draw all widgets, write their values to the URL, and start a run when the button is pressed.

    Most changed numbers redraw only parts of the form, see :mod:`pages.ui.widgets.partial_rerun`.

    Args:
        row: the run whose settings the form shows at first.
    """
    partial_rerun.begin_form()
    config, refused = settings.read_url(row.config if row else None)
    data = load(config.dataset)
    unfit = {name: cls().unsupported_reason(data.shape) for name, cls in plugins("models").items()}  # type: ignore[attr-defined]
    for line in settings.link_errors():
        st.error(f"This link has an invalid setting, and the default is used instead: {escape_markdown(line)}")
    left, right = st.columns([1, 2], gap="medium")
    data_place = left.container(border=True)
    if config.dataset != data_card.selected_dataset():
        with data_place:
            data_card.show(config, data, refused)
        right.caption("Networks, method and plan appear here once the data set is downloaded or uploaded.")
        settings.write_url()
        return
    with right:
        teacher_place, student_place = st.columns(2, gap="medium", border=True)
        scheme_place = st.container(border=True)
    # The browser shows first what is drawn first, so the outputs that change with every widget come first.
    with st.container():
        started = _start(config, refused)
    with student_place:
        _student(unfit, refused)
    with teacher_place:
        _teacher(config, unfit, refused)
    with scheme_place:
        scheme_card.choose(refused)
        method_card.choose(config, refused)
    with data_place:
        data_card.show(config, data, refused)
    training_card.computing(refused)
    _plan(config, is_open=row is None)
    settings.write_url(started)
    if started:
        st.rerun()
    partial_rerun.end_form()


def _plan(config: RunConfig, *, is_open: bool) -> None:
    """Draw the descriptions of scheme and method and the diagrams of the plan and of the matched features."""
    scheme, method = st.columns(2, gap="medium")
    with scheme:
        scheme_card.about(scheme_card.selected_scheme())
    with method:
        method_card.about(type(method_card.selected_method()))
    with st.expander("Plan", expanded=is_open):
        if not _is_valid(config):
            st.caption("The plan is drawn here once the scheme and the method fit the other settings.")
            return
        phases, features = st.tabs(["Phases and teachers", "Matched features"])
        with phases:
            _plan_diagram()
        with features:
            _feature_diagram()


@partial_rerun.layout_dependency
def _is_valid(config: RunConfig) -> bool:
    """Whether the run has the chosen scheme and method, which are replaced while they do not fit the rest."""
    return isinstance(config.scheme, scheme_card.selected_scheme()) and config.method == method_card.selected_method()


@partial_rerun.figure(lambda config: (plan_diagram.facts(config), plan_diagram.table(config)))
def _plan_diagram(arguments: tuple[Any, Any]) -> None:
    plan_diagram.show(*arguments)


@partial_rerun.figure(feature_diagram.drawing)
def _feature_diagram(arguments: tuple[Any, Any]) -> None:
    feature_diagram.show(*arguments)


def _teacher(config: RunConfig, unfit: dict[str, str], refused: list[str]) -> None:
    options.plugin_select("teacher", "models", "Teacher", unfit)
    show_refusals(refused, _names("teacher", TeacherRecipe))
    teacher_summary()
    with st.expander("Options"):
        options.options(_selected("teacher"), "teacher_")
        options.options(
            TeacherRecipe, "teacher_", only=("epochs", *training_card.AT_HAND, "seed", "view"),
            owner=settings.TEACHERS,
        )  # fmt: skip
    training_card.recipe("Teacher training", TeacherRecipe, "teacher_", settings.TEACHERS)
    training_card.uploaded_weights(config)


def _student(unfit: dict[str, str], refused: list[str]) -> None:
    options.plugin_select("student", "models", "Student", unfit)
    show_refusals(refused, _names("student"))
    student_summary()
    with st.expander("Options"):
        options.options(_selected("student"), "student_")
        options.options(Recipe, only=training_card.AT_HAND)
        options.options(RunOptions, only=("control",))
    training_card.recipe("Student training", Recipe)


@partial_rerun.output(lambda config: (_cost(config.teacher, config.dataset), plan.network_notes(config)["teacher"]))
def teacher_summary(texts: tuple[str, str]) -> None:
    """Draw the teacher's cost and training data."""
    st.markdown(texts[0])
    st.caption(texts[1])


def _student_texts(config: RunConfig) -> tuple[str, str]:
    taught = None if config.method.discards_adapters else (config.method, plan.compared_pair(config))
    return _cost(config.student, config.dataset, taught), plan.network_notes(config)["student"]


@partial_rerun.output(_student_texts)
def student_summary(texts: tuple[str, str]) -> None:
    """Draw the student's cost and training data."""
    st.markdown(texts[0])
    st.caption(texts[1])


@partial_rerun.output(lambda config: plan.formula(config, method_card.selected_method()))
def formula(latex: str) -> None:
    """Draw the loss with the chosen numbers."""
    st.latex(latex)


def _names(card: str, *more: type[Options]) -> set[str]:
    """Return the settings of a card, which shows the messages about them."""
    return {card, *(f"{card}_{name}" for cls in (_selected(card), *more) for name in options_of(cls))}


def _selected(role: str) -> type[Plugin]:
    """Return the plug-in that the settings name for a role, even while it does not fit the data."""
    group = next(group for name, group, _ in PLUGIN_FIELDS if name == role)
    return find_plugin(group, st.session_state["settings"][role])


def _start(config: RunConfig, refused: list[str]) -> str | None:
    """Draw the loss formula and the start button, and return the id of a run that was started."""
    on_cards = {
        "method",
        *_names("dataset"),
        *_names("teacher", TeacherRecipe),
        *_names("student"),
        *options_of(LabelSubset),
    }
    on_cards |= {"scheme", *options_of(scheme_card.selected_scheme()), *options_of(Augmentation), *options_of(Compute)}
    for line in refused:
        if line.split(" ", 1)[0] not in on_cards:
            st.error(escape_markdown(settings.with_labels(line)))
    formula()
    epochs, seed, buttons = st.columns([1, 1, 4], gap="medium", vertical_alignment="bottom")
    with epochs:
        options.options(Recipe, only=("epochs",))
    with seed:
        options.options(RunOptions, only=("seed",))
    with buttons, st.container(horizontal=True, vertical_alignment="bottom"):
        is_pressed = action_button(
            "Start training",
            type="primary",
            icon=":material/play_arrow:",
            disabled=bool(refused or devices.device_error(config.compute.device)),
            shortcut="Ctrl+Enter",
            on_click=partial_rerun.full_rerun,
        )
        pace = st.segmented_control(
            "Pace", list(live_controls.PACES), default="Watch", required=True, key="pace",
            help="How fast the training is shown. It does not change any result.",
        )  # fmt: skip
        if st.button("Sweep this", icon=":material/grid_on:", type="tertiary", on_click=partial_rerun.full_rerun):
            st.switch_page("pages/sweep.py", query_params=config.differences())
    return actions().start(config, live_controls.PACES[str(pace)]) if is_pressed else None


@functools.lru_cache(maxsize=256)
def _measure(model: Model, dataset: Dataset, taught: tuple[Method, Pair] | None) -> tuple[cost.NetworkCost, float]:
    shape, classes = load(dataset).shape, len(load(dataset).classes)
    # Pretrained weights would be downloaded, and do not change the cost.
    build = (
        functools.partial(taught[0].build, replace(taught[1], student=model.without_pretrained()))
        if taught
        else functools.partial(model.without_pretrained().build, shape, classes)
    )
    return cost.measure(build, shape), cost.latency(build, shape)


def _cost(model: Model, dataset: Dataset, taught: tuple[Method, Pair] | None = None) -> str:
    """Return parameters, FLOPs, size and measured latency of a network as Markdown.

    Args:
        model: the network.
        dataset: determines the input shape and the number of classes.
        taught: method and pair, for methods that add layers of the teacher to the student.
    """
    try:
        network, seconds = _measure(model, dataset, taught)
    except ValueError as error:  # of a network that was given from Python, and not to this process
        return escape_markdown(str(error))
    return (
        f"**{network.parameters:,}** parameters · {network.flops / 1000:,.1f} kFLOPs · {network.size / 1000:,.1f} kB · "
        f"{seconds * 1000:.2f} ms per example on this machine"
    )
