"""Choices of a run in one row, its numbers and start button in one column, and its plan."""

from __future__ import annotations

import functools
from dataclasses import replace

import streamlit as st

from kd_core.base import devices
from kd_core.base.registry import plugins
from kd_core.config.run import RunConfig
from kd_core.datasets import Dataset, load
from kd_core.methods import Method
from kd_core.models import Model
from kd_core.nn import cost
from kd_core.nn.pairs import Pair
from kd_core.store.store import Run
from pages.ui.app import auth, settings
from pages.ui.app.actions import action_button, actions
from pages.ui.app.settings import CARDS
from pages.ui.form import (
    advanced,
    data_card,
    feature_diagram,
    method_card,
    plan_diagram,
    scheme_card,
    teacher_dialog,
    training_card,
)
from pages.ui.run import code_dialog, live_controls
from pages.ui.widgets import formula, options
from pages.ui.widgets.text import plan
from pages.ui.widgets.text.escape import escape_markdown

VIEWER_BYTES = 20_000_000  # of a network that is built for anybody, to measure its speed
PRESSED = "start was pressed"  # key of the session


def choices(config: RunConfig, *, is_locked: bool) -> None:
    """Draw the select boxes of data set, teacher, student, method and scheme, with one fact below each.

    Args:
        config: the run of the settings.
        is_locked: whether a run with these settings trains, so that they are shown and cannot be changed.
    """
    data = load(config.dataset)
    unfit = {name: cls().data_refusal(data) for name, cls in plugins("models").items()}  # type: ignore[attr-defined]
    methods = method_card.refusals()
    count = sum(bool(reason) for reason in methods.values())
    hidden = f" {count} methods do not fit these networks; Advanced, Method says why." if count else ""
    scheme, method = scheme_card.selected_scheme(), method_card.selected_method()
    costs, notes = {"teacher": "", "student": ""}, {"teacher": "", "student": ""}
    if data_card.is_available(config):  # else it is not known what the networks are trained on
        costs = {"teacher": _cost(config.teacher, config.dataset), "student": _student_cost(config)}
        notes = {role: _note(config, role) for role in costs}
    boxes: tuple[tuple[str, str, dict[str, str], dict[str, str] | None, str, str], ...] = (
        ("dataset", "datasets", {}, data_card.titles(), _data_fact(config), ""),
        (
            "teacher",
            "models",
            unfit | {teacher_dialog.FROM_FILE: ""},
            None,
            _teacher_fact(config, costs["teacher"]),
            notes["teacher"],
        ),
        ("student", "models", unfit, None, costs["student"], notes["student"]),
        ("method", "methods", methods, method_card.titles(), method.summary, method.summary + hidden),
        ("scheme", "schemes", {}, scheme_card.titles(), scheme.summary, scheme.summary),
    )
    with st.container(key="locked" if is_locked else "choices"):
        for column, (name, group, reasons, titles, fact, description) in zip(
            st.columns(len(boxes), gap="small"), boxes, strict=True
        ):
            with column:
                options.plugin_select(
                    name, group, CARDS[name], reasons, titles, disabled=is_locked, help=description or None
                )
                st.caption(fact or "\u00a0")
    teacher_dialog.open_when_chosen()


def controls(config: RunConfig, refused: list[str], row: Run | None) -> str:
    """Draw the start button, the numbers at hand and the loss; start a run when the button is pressed.

    Args:
        config: the run of the settings.
        refused: messages about invalid settings.
        row: the run that the page shows.

    Returns:
        Why the run was not started, for example because of a quota; empty otherwise.
    """
    is_possible = not refused and data_card.is_available(config)
    is_possible = is_possible and not devices.device_error(config.compute.device)
    # Remembered until here, since a script run in which a button is pressed may be cut short by another one.
    problem = ""
    if st.session_state.pop(PRESSED, False) and is_possible:
        problem = _start(config)
        if not problem:
            st.rerun()
    with st.container(key="start"):
        action_button(
            "Start training", type="primary", icon=":material/play_arrow:", width="stretch", shortcut="Ctrl+Enter",
            disabled=not is_possible, on_click=_press,
        )  # fmt: skip
    with st.container(key=formula.SCOPE):
        method_card.draw_main_options()
        formula.draw(config, method_card.selected_method())
        for column, (cls, name, label) in zip(st.columns(3, gap="small"), advanced.BESIDE_START, strict=True):
            with column:
                is_all = name == "labelled" and st.session_state["settings"].get(name) == "0"
                title = f"{label}: all" if is_all else label
                options.setting(name, name, *options.declared(cls, name), label=title)
    live_controls.choose_pace()
    advanced.button(config)
    if row is not None and (changed := _changed_since(config, row.config)):
        st.caption(f"Changed since the run shown: {changed}.")
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.page_link(
            "pages/sweep.py", label="Sweep this", icon=":material/grid_on:", query_params=config.differences(),
            help="Vary two of these settings at once, over several seeds.",
        )  # fmt: skip
        code_dialog.button(config, key="code of the settings", disabled=not is_possible, kind="tertiary")
    return problem


def _press() -> None:
    st.session_state[PRESSED] = True


def _start(config: RunConfig) -> str:
    """Start a run and name it in the URL, or return why it was not started."""
    try:
        run = actions().start(config, live_controls.chosen_pace(config))
    except ValueError as error:
        return str(error)
    settings.write_url(run)
    return ""


def set_up_another() -> None:
    """Draw the button that leaves a run in training and lets its settings be changed for another one."""
    if st.button("Set up another run", icon=":material/add:", key="another", width="stretch", type="tertiary"):
        settings.url.update(run="")
        st.rerun()


def _changed_since(config: RunConfig, previous: RunConfig) -> str:
    """Return the names of the settings that differ from those of a run."""
    before, now, labels = previous.flat(), config.flat(), settings.labels()
    names = [labels.get(name, name) for name in now if before.get(name) != now[name]]
    return escape_markdown(", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else ""))


def preview(config: RunConfig) -> None:
    """Draw the plan and examples of the data, where the training will be shown."""
    left, right = st.columns([3, 2], gap="medium")
    with right:
        data_card.preview(config)
    with left:
        # Both are replaced in the run while they do not fit the rest.
        is_fitting = isinstance(config.scheme, scheme_card.selected_scheme())
        if not is_fitting or config.method != method_card.selected_method():
            st.caption("The plan is drawn here once the scheme and the method fit the other settings.")
            return
        phases, features = st.tabs(["Plan", "Matched features"])
        with phases:
            plan_diagram.show(plan_diagram.facts(config), plan_diagram.table(config))
        with features:
            feature_diagram.show(*feature_diagram.drawing(config))


def hint(config: RunConfig) -> str:
    """Return what would be trained, as Markdown."""
    notes = plan.network_notes(config)
    sentences = [f"The **{role}** {note[:1].lower()}{note[1:]}" for role, note in notes.items()]
    sentences += ["The **baseline** is the same student without a teacher."] * config.basics.control
    return " ".join(sentences)


def _teacher_fact(config: RunConfig, network: str) -> str:
    if teacher_dialog.is_missing():
        return "no file chosen yet"
    origin = training_card.origin_of(config)
    return f"from {escape_markdown(origin.short())}" if origin is not None else network


def _data_fact(config: RunConfig) -> str:
    if not data_card.is_available(config):
        is_upload = data_card.selected_dataset().is_uploaded
        return "no file chosen yet" if is_upload else "not on this machine yet"
    data = load(config.dataset)
    count, is_number = len(data.classes), not data.task.has_class_rows
    predicted = ("a number" if count == 1 else f"{count} numbers") if is_number else f"{count} classes"
    return f"{len(data.train):,} {data.noun} · {predicted}"


def _note(config: RunConfig, role: str) -> str:
    network = _network_cost(getattr(config, role), config.dataset)
    return f"{network} {plan.network_notes(config)[role]}"


@functools.lru_cache(maxsize=256)
def _measure(model: Model, dataset: Dataset, taught: tuple[Method, Pair] | None) -> cost.NetworkCost:
    shape, classes = load(dataset).shape, len(load(dataset).classes)
    # Pretrained weights would be downloaded, and do not change the cost.
    build = (
        functools.partial(taught[0].build, replace(taught[1], student=model.without_pretrained()))
        if taught
        else functools.partial(model.without_pretrained().build, shape, classes)
    )
    return cost.measure(build, shape)


@functools.lru_cache(maxsize=256)
def _latency(model: Model, dataset: Dataset) -> float:
    data = load(dataset)
    return cost.latency(functools.partial(model.without_pretrained().build, data.shape, len(data.classes)), data.shape)


def _student_cost(config: RunConfig) -> str:
    taught = (config.method, plan.compared_pair(config)) if config.method.changes_student else None
    return _cost(config.student, config.dataset, taught)


def _cost(model: Model, dataset: Dataset, taught: tuple[Method, Pair] | None = None) -> str:
    """Return parameters and FLOPs of a network.

    Args:
        model: the network.
        dataset: determines the input shape and the number of classes.
        taught: method and pair, for methods that add layers to the student.
    """
    try:
        network = _measure(model, dataset, taught)
    except ValueError as error:  # of a network that was given from Python, and not to this process
        return escape_markdown(str(error))
    return f"**{network.parameters:,}** parameters · {network.flops / 1000:,.1f} kFLOPs"


def _network_cost(model: Model, dataset: Dataset) -> str:
    try:
        network = _measure(model, dataset, None)
    except ValueError:
        return ""
    size = f"{network.size / 1000:,.1f} kB"
    if network.size > VIEWER_BYTES and not auth.may_act():  # it would have to be built
        return f"{size}."
    return f"{size}, {_latency(model, dataset) * 1000:.2f} ms per example on this machine."
