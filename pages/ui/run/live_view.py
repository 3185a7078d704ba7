"""Live view of one run, with progress, controls, decision surfaces, curves and soft targets."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from types import MappingProxyType
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from kd_core.analysis.examples import predicted, thumbnails
from kd_core.base import marks
from kd_core.base.events import Generated, Predicted
from kd_core.config.plan import BASELINE, STUDENT, TEACHER, LearnerPlan
from kd_core.config.run import RunConfig
from kd_core.datasets import load
from kd_core.methods import TEMPERATURE_RANGE
from kd_core.runs import manager
from kd_core.runs.manager import Status
from kd_core.schemes import plan_of
from kd_core.store.store import Run
from pages.ui.app.errors import catch_errors
from pages.ui.components import feed
from pages.ui.run.frames import RunFrames, run_frames
from pages.ui.widgets.text import plan, roles
from pages.ui.widgets.text.durations import format_clock, queue_position

POLL_SECONDS = 1.0
ORDER = (TEACHER, BASELINE, STUDENT)  # kinds of networks, from left to right
MAX_POINTS = 250  # per network
DEFAULT_TEMPERATURE = 1.0  # of a method without a temperature


@dataclass(frozen=True)
class _PanelContext:
    """Arguments of every panel."""

    run: str
    config: RunConfig
    frames: RunFrames
    is_active: bool
    scrubber: Mapping[str, Any]


def hidden_heading(text: str) -> None:
    """Draw a heading of the second level for screen readers, where the page itself needs none."""
    style = "position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%)"
    st.html(f'<h2 style="{style}">{text}</h2>')


def panels(config: RunConfig) -> tuple[str, ...]:
    """Return the panels of a run in the order in which they fit on one screen."""
    return ("surfaces", "scrubber", "charts") if load(config.dataset).is_planar else ("charts", "scrubber")


def follow(
    row: Run,
    is_active: bool,
    *,
    panels: tuple[str, ...],
    progress_place: DeltaGenerator | None = None,
    scrubber: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Draw a run, again every second while it is active.

    The whole page reruns when the run is no longer active (or active again).

    Args:
        row: the run.
        is_active: whether it trains or waits.
        panels: of "scrubber", "surfaces" and "charts", in this order.
        progress_place: where progress is drawn; None for nowhere.
        scrubber: further options of the epoch slider, such as its first position and a callback.
    """
    st.fragment(catch_errors(_draw), run_every=POLL_SECONDS if is_active else None, key=f"live {row.id}")(
        row.id, row.config, panels, progress_place, is_active, scrubber=scrubber
    )


def _draw(
    run: str,
    config: RunConfig,
    panels: tuple[str, ...],
    progress_place: DeltaGenerator | None,
    was_active: bool,
    *,
    scrubber: Mapping[str, Any],
) -> None:
    status = manager.get_manager().status(run)
    if status is None or status.is_active != was_active:
        st.rerun()
    is_paused = status.state == manager.PAUSED
    if progress_place is not None and status.is_active and st.session_state.get(f"is paused {run}") != is_paused:
        st.rerun()  # another session paused or resumed the run, so the controls must change
    frames = run_frames(run)
    if progress_place is not None and status.is_active:
        with progress_place.container():
            progress(status, frames)
            if text := _expectation(frames, config):
                st.caption(text)
    if frames.prepared is None:
        return
    draw = {"scrubber": _scrubber, "surfaces": _surfaces, "charts": _charts}
    for panel in panels:
        draw[panel](_PanelContext(run, config, frames, status.is_active, scrubber))


def _scrubber(panel: _PanelContext) -> None:
    frames = panel.frames
    if frames.evaluations:
        options = {"live": panel.is_active, "autoplay": False, **panel.scrubber}
        feed.mount("epoch_slider", frames.name, frames.evaluations, key=f"scrubber of {panel.run}", **options)
    note = st.empty()  # reserved, so that later elements do not move when the note appears
    if frames.switched:
        note.caption(switches(frames))


def _charts(panel: _PanelContext) -> None:
    if panel.frames.predicted is not None:
        _predicted(panel, panel.frames.predicted)
    left, right = st.columns(2, gap="medium")
    with left:
        _curves(panel)
    with right:
        _bars(panel)
    if panel.frames.generated is not None:
        _generated(panel, panel.frames.generated)


def _predicted(panel: _PanelContext, event: Predicted) -> None:
    """Draw what the networks predict for one image, beside the truth."""
    data, names = load(panel.config.dataset), {"image": "Image", "labels": "Truth", **roles.titles(panel.config)}
    glyphs = {role: style["glyph"] for role, style in marks.ROLES.items()}
    order = [role for role in names if role in event.masks or role in event.boxes]
    figures = "".join(
        f'<figure style="margin: 0"><img src="{picture.src}" alt="{escape(names[role])}: {escape(picture.text)}" '
        f'title="{escape(picture.text)}" height="96" style="image-rendering: pixelated">'
        f"<figcaption>{glyphs.get(role, '')} {escape(names[role])}</figcaption></figure>"
        for role, picture in predicted.pictures(data, event, order).items()
    )
    legend = "".join(
        f'<div><span style="display: inline-block; width: 10px; height: 10px; background: {colour}"></span> '
        f"{escape(name)}</div>"
        for name, colour in predicted.legend(data, event).items()
    )
    note = f"Validation image {event.image + 1:,} after step {event.step:,} of {event.phase}"
    st.html(
        '<div style="font-size: 14px; line-height: 1.3"><div style="display: flex; flex-wrap: wrap; gap: 12px">'
        f'{figures}<div style="max-height: 120px; overflow: hidden">{legend}</div></div>{note}</div>'
    )


def _generated(panel: _PanelContext, event: Generated) -> None:
    """Draw the images that a network is trained on in the place of stored ones, as they are now."""
    names = roles.titles(panel.config)
    for role in event.images:
        images = "".join(
            f'<img src="{src}" alt="made for class {escape(label)}" title="made for class {escape(label)}" '
            'width="40" height="40" style="margin: 0 4px 4px 0; image-rendering: pixelated">'
            for src, label in thumbnails.of_generated(load(panel.config.dataset), event, role)
        )
        st.caption(f"{names[role]}: images that it is trained on, after step {event.step:,} of {event.phase}")
        st.html(f'<div style="display: flex; flex-wrap: wrap">{images}</div>')


def switches(frames: RunFrames) -> str:
    """Return from which step on the steps were computed in another way, such as compiled."""
    assert frames.prepared is not None
    has_phases = len(frames.prepared.phases) > 2  # more than a teacher's phase and a student's
    clauses = (
        f"{event.path.capitalize()} steps from step {event.step + 1:,}" + (f" of {event.phase}" if has_phases else "")
        for event in frames.switched
    )
    return "; ".join(clauses)


def progress(status: Status, frames: RunFrames) -> None:
    """Draw a progress bar with steps, per cent, elapsed and remaining time."""
    if status.state == manager.QUEUED:
        st.progress(0.0, queue_position(status))
    elif status.is_active and frames.prepared is not None:
        phase = frames.evaluations[-1]["label"] if frames.evaluations else "first evaluation"
        fraction = status.done / max(1, status.total)
        state = "Paused" if status.state == manager.PAUSED else "Training"
        state += f" on {status.device}" if status.device else ""
        if not status.total:  # as one of many, whose steps are counted together
            st.progress(0.0, f"{state} with the other runs of its sweep: {phase}")
            return
        times = f"{format_clock(status.seconds)} elapsed, about {format_clock(status.remaining)} left"
        st.progress(
            fraction,
            f"{state}: {phase} · step {status.done:,} of {status.total:,} · {marks.percent(fraction, 0)} · {times}",
        )
    elif status.is_active:
        st.progress(0.0, "Preparing data and networks.")


def _expectation(frames: RunFrames, config: RunConfig) -> str:
    """Return what is normal to see at this moment, empty for schemes of which nothing is known."""
    phases = plan_of(config)
    taught = {phase.name for phase in phases for learner in phase.learners if learner.teachers}
    if phases[0].name in taught:  # without a teacher that is trained before
        return ""
    if frames.evaluations and frames.evaluations[-1]["phase"] in taught:
        return "A distilled student often starts slower than the baseline: its targets hold more than the labels."
    return "The teacher is trained first and then frozen. Student and baseline follow, with equal data and steps."


def _surfaces(panel: _PanelContext) -> None:
    frames = panel.frames
    if not frames.surfaces or frames.prepared is None:
        return
    networks = {network.role: network for network in frames.prepared.networks}
    learners = [learner for learner in roles.learners(panel.config) if learner.role in networks]
    learners.sort(key=lambda learner: ORDER.index(roles.kind(networks[learner.role])))
    names = roles.titles(panel.config)
    feed.mount(
        "decision_surfaces", frames.name, frames.surfaces, key=f"surfaces of {panel.run}",
        classes=frames.prepared.classes, extent=frames.extent, live=panel.is_active, autoplay=False,
        roles=[learner.role for learner in learners], styles=roles.styles(panel.config),
        titles={learner.role: names[learner.role] for learner in learners},
        captions={learner.role: _training_data(learner, networks[learner.role].saw, names) for learner in learners},
        points=points(panel.config),
    )  # fmt: skip


def _training_data(learner: LearnerPlan, examples: str, names: dict[str, str]) -> str:
    """Return what a learner was trained on, including its teachers."""
    text = f"trained on {examples}"
    if not learner.teachers or (learner.method is not None and not learner.method.uses_teacher):
        return text
    if learner.is_self_taught:
        return f"{text}; and its own later layers"
    if learner.teachers == (TEACHER,):
        return f"{text}; and the teacher’s outputs"
    return f"{text}; and outputs of {plan.join_names([roles.in_sentence(role, names) for role in learner.teachers])}"


@functools.lru_cache(maxsize=32)
def points(config: RunConfig) -> dict[str, list[dict[str, Any]]]:
    """Return for 2-D data the first labelled training points of each network, with true and given label."""
    by_role: dict[str, list[dict[str, Any]]] = {}
    for phase in plan_of(config):
        examples = thumbnails.labelled_examples(config.dataset, phase.view, MAX_POINTS)
        values = [{"x": one.x, "y": one.y, "label": one.label, "training_label": one.train_label} for one in examples]
        by_role |= {learner.role: values for learner in phase.learners}
    return by_role


def _curves(panel: _PanelContext) -> None:
    frames = panel.frames
    assert frames.prepared is not None
    phases, networks = frames.prepared.phases, frames.prepared.networks
    longest = max(sum(phase.epochs for phase in phases if network.role in phase.roles) for network in networks)
    score = panel.config.dataset.task.validation_score_title
    plots = [
        {"key": "accuracy", "title": f"Validation {score}", "unit": "%", "log": False, "percent": True},
        {"key": "loss", "title": f"{frames.main_title}’s training loss", "unit": "", "log": True, "percent": False},
        {"key": "learned", "title": "Learned loss parameters", "unit": "", "log": False, "percent": False},
    ]
    used = {"accuracy", "loss", *(series["panel"] for series in frames.series)}
    key = f"curves of {panel.run}"
    feed.mount(
        "curves", frames.name, frames.curves, key=key,
        series=frames.series, styles=roles.styles(panel.config),
        xlabel="epoch", xmin=0, xmax=longest,
        panels=[plot for plot in plots if plot["key"] in used],
        log=st.query_params.get("log") == "1", fills=True,
        empty="The first point appears after the first epoch.",
        on_log_change=_write_log(key),
    )  # fmt: skip


def _write_log(key: str) -> Any:
    """Return a callback that writes the logarithmic scale of the curves to the URL."""

    def callback() -> None:
        if st.session_state[key].log:
            st.query_params["log"] = "1"
        else:
            st.query_params.pop("log", None)

    return callback


def _bars(panel: _PanelContext) -> None:
    run, config, frames = panel.run, panel.config, panel.frames
    if not config.dataset.task.has_class_rows:
        st.caption("Numbers are predicted, and no classes: there are neither soft targets nor a temperature.")
    if frames.pinned is None or frames.prepared is None:
        return
    names, teacher = roles.titles(config), roles.reference_teacher(config)
    rows = config.dataset.task.row_noun
    selection = f"The first of the validation {rows} of each class."
    if teacher:
        name = "the teacher" if teacher == TEACHER else roles.in_sentence(teacher, names)
        selection = f"Validation {rows} that {name} classifies correctly with the lowest confidence."
    available = {role for frame in frames.bars for role in frame["logits"]}
    students = [learner.role for learner in roles.taught_learners(config) if learner.role in available]
    if not students:
        return
    student = students[0]
    if len(students) > 1:
        student = st.segmented_control(
            "Student", students, default=students[0], required=True, key=f"student of {run}",
            format_func=names.__getitem__,
        )  # fmt: skip
    parts = roles.role_map(config, student, sorted(available))
    low, high = TEMPERATURE_RANGE
    values = {"temperature": DEFAULT_TEMPERATURE} | config.live_values()
    values |= {event.option: event.new for event in frames.adjusted}
    feed.mount(
        "soft_targets", frames.name, frames.bars, key=f"bars of {run}",
        classes=frames.prepared.classes, temperatures=[low, high],
        temperature=min(max(values["temperature"], low), high),
        roles=list(parts), networks=parts, names={part: names[role] for part, role in parts.items()},
        styles=roles.styles(config), image=0, images=_images(config, tuple(frames.pinned.indices)),
        isEachAnAnswer=load(config.dataset).has_answers,
        empty="The first soft targets appear when the student starts training.",
        on_temperature_change=lambda: None, on_image_change=lambda: None,
    )  # fmt: skip
    st.caption(selection)


@functools.lru_cache(maxsize=32)
def _images(config: RunConfig, indices: tuple[int, ...]) -> list[dict[str, Any]]:
    return [
        {
            "src": one.src,
            "x": one.x,
            "y": one.y,
            "text": one.text,
            "label": list(one.labels) or one.label,
            "title": f"Validation {one.name}",
        }
        for one in thumbnails.of_validation(config.dataset, indices)
    ]
