"""One run on the screen while it trains and afterwards: progress, controls, and the four browser components."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from kd_core.analysis import thumbnails
from kd_core.config.plan import BASELINE, STUDENT, TEACHER, LearnerPlan
from kd_core.config.run import RunConfig
from kd_core.methods import TEMPERATURE_RANGE
from kd_core.runs import manager
from kd_core.runs.manager import Status
from kd_core.schemes import plan_of
from kd_core.store.store import Run
from pages.ui import feed
from pages.ui.app.errors import catch_errors
from pages.ui.run import live_controls
from pages.ui.run.frames import RunFrames, run_frames
from pages.ui.text import plan, roles
from pages.ui.text.durations import format_clock, queue_position

POLL_SECONDS = 1.0
PLOTLY = "app/static/plotly.min.js"
ORDER = (TEACHER, BASELINE, STUDENT)  # kinds, from left to right
SHOWN_POINTS = 250
AS_TRAINED = 1.0  # the temperature of a method that has none


@dataclass(frozen=True)
class _PanelContext:
    """What every panel draws from."""

    run: str
    config: RunConfig
    shown: RunFrames
    is_active: bool


def follow(
    row: Run,
    is_active: bool,
    *,
    panels: tuple[str, ...],
    has_controls: bool = True,
    scrubber: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Draws a run, again every second while it ``is_active``; ``panels`` of surfaces, curves, bars, in that order.
    More for the ``scrubber``: the moment that it shows at first, and who hears of another one.

    The rest of the page, which was drawn for ``is_active``, is drawn again as soon as that is no longer so. The
    controls are most of what there is to draw, and seldom change: they are a fragment of their own.
    """
    line = st.empty() if has_controls else None
    if has_controls and is_active:
        st.fragment(
            catch_errors(live_controls.live_controls), run_every=live_controls.SECONDS, key=f"steered {row.id}"
        )(row.id, row.config)
    st.fragment(catch_errors(_draw), run_every=POLL_SECONDS if is_active else None, key=f"live {row.id}")(
        row.id, row.config, panels, line, is_active, more=scrubber
    )


def _draw(
    run: str,
    config: RunConfig,
    panels: tuple[str, ...],
    line: DeltaGenerator | None,
    was_active: bool,
    *,
    more: Mapping[str, Any],
) -> None:
    """``line``: where the progress goes, above the controls."""
    status = manager.get_manager().status(run)
    if status is None or status.is_active != was_active:
        st.rerun()
    is_paused = status.state == manager.PAUSED
    if line is not None and status.is_active and st.session_state.get(f"is paused {run}") != is_paused:
        st.rerun()  # another viewer paused it, or let it go on: the controls offer something else now
    shown = run_frames(run)
    if line is not None:
        with line:
            progress(status, shown)
    if shown.prepared is None:
        return
    note = st.empty()  # there from the beginning on: what follows stays in its place
    if shown.switched:
        note.caption(switches(shown))
    if shown.moments:
        scrubber = {"live": status.is_active, "autoplay": False, **more}
        feed.mount("scrubber", shown.name, shown.moments, key=f"scrubber of {run}", **scrubber)
    draw = {"surfaces": _surfaces, "curves": _curves, "bars": _bars}
    for panel in panels:
        draw[panel](_PanelContext(run, config, shown, status.is_active))


def switches(shown: RunFrames) -> str:
    """From where on steps were computed another way."""
    assert shown.prepared is not None
    in_phases = len(shown.prepared.phases) > 2  # a teacher's, and more than one beside it
    each = (
        f"{own.path.capitalize()} steps from step {own.step + 1:,}" + (f" of {own.phase}" if in_phases else "")
        for own in shown.switched
    )
    return "; ".join(each)


def progress(status: Status, shown: RunFrames) -> None:
    """One line in words and a bar: steps, per cent, elapsed, remaining."""
    if status.state == manager.QUEUED:
        st.progress(0.0, queue_position(status))
    elif status.is_active and shown.prepared is not None:
        phase = shown.moments[-1]["label"] if shown.moments else "the first look"
        share = status.done / max(1, status.total)
        held = "Paused" if status.state == manager.PAUSED else "Training"
        times = f"{format_clock(status.seconds)} elapsed, about {format_clock(status.remaining)} left"
        st.progress(share, f"{held}: {phase} · step {status.done:,} of {status.total:,} · {share:.0%} · {times}")
    elif status.is_active:
        st.progress(0.0, "Preparing the data and the networks.")


def _surfaces(screen: _PanelContext) -> None:
    run, shown = screen.run, screen.shown
    if not shown.surfaces or shown.prepared is None:
        return
    networks = {network.role: network for network in shown.prepared.networks}
    trained = [own for own in roles.learners(screen.config) if own.role in networks]
    names = roles.titles(screen.config)
    order = sorted(trained, key=lambda own: ORDER.index(roles.kind(networks[own.role])))
    feed.mount(
        "surfaces", shown.name, shown.surfaces, key=f"surfaces of {run}",
        classes=shown.prepared.classes, extent=shown.extent, live=screen.is_active, autoplay=False,
        roles=[own.role for own in order], looks=roles.styles(screen.config),
        titles={own.role: names[own.role] for own in order},
        captions={own.role: _saw(own, networks[own.role].saw, names) for own in order},
        points=points(screen.config),
    )  # fmt: skip


def _saw(learner: LearnerPlan, clause: str, names: dict[str, str]) -> str:
    if not learner.teachers or (learner.method is not None and not learner.method.uses_teacher):
        return f"saw {clause}"
    if learner.is_self_taught:
        return f"saw {clause}; and its own later layers"
    if learner.teachers == (TEACHER,):
        return f"saw {clause}; and the teacher’s answers"
    return (
        f"saw {clause}; and answers of {plan.join_names([roles.in_sentence(role, names) for role in learner.teachers])}"
    )


@functools.lru_cache(maxsize=32)
def points(config: RunConfig) -> dict[str, list[dict[str, Any]]]:
    """For 2-D data: the first labelled points that each network is shown, with their true and their given label."""
    found: dict[str, list[dict[str, Any]]] = {}
    for phase in plan_of(config):
        seen = thumbnails.labelled_examples(config.dataset, phase.view, SHOWN_POINTS)
        listed = [{"x": one.x, "y": one.y, "label": one.label, "given": one.given} for one in seen]
        found |= {learner.role: listed for learner in phase.learners}
    return found


def _curves(screen: _PanelContext) -> None:
    run, shown = screen.run, screen.shown
    assert shown.prepared is not None
    phases = shown.prepared.phases
    longest = max(sum(p.epochs for p in phases if own.role in p.roles) for own in shown.prepared.networks)
    panels = [
        {"key": "accuracy", "title": "Validation accuracy", "unit": "%", "log": False, "percent": True},
        {"key": "loss", "title": f"{shown.main_title}’s training loss", "unit": "", "log": True, "percent": False},
        {"key": "learned", "title": "Learned beside the weights", "unit": "", "log": False, "percent": False},
    ]
    feed.mount(
        "curves", shown.name, shown.curves, key=f"curves of {run}",
        plotly=PLOTLY, series=shown.series, looks=roles.styles(screen.config),
        xlabel="epoch", xmin=0, xmax=longest,
        panels=[panel for panel in panels if panel["key"] in {"accuracy", "loss", *(s["panel"] for s in shown.series)}],
        log=st.query_params.get("log") == "1",
        empty="The first point appears after the first epoch.",
        on_log_change=_remember_log(f"curves of {run}"),
    )  # fmt: skip


def _remember_log(key: str) -> Any:
    def callback() -> None:
        if st.session_state[key].log:
            st.query_params["log"] = "1"
        else:
            st.query_params.pop("log", None)

    return callback


def _bars(screen: _PanelContext) -> None:
    run, config, shown = screen.run, screen.config, screen.shown
    if shown.pinned is None or shown.prepared is None:
        return
    st.subheader("What each network answers, softened by T")
    names, leader = roles.titles(config), roles.reference_teacher(config)
    guide = "the teacher" if leader == TEACHER else roles.in_sentence(leader, names)
    which = (
        f"Validation examples that {guide} gets right with the least certainty."
        if leader
        else "The first validation example of each class."
    )
    st.caption(f"{which} Drag the temperature: the logits stay what they are, only T changes.")
    said = {role for frame in shown.bars for role in frame["logits"]}
    pupils = [own.role for own in roles.taught_learners(config) if own.role in said]
    if not pupils:
        return
    pupil = pupils[0]
    if len(pupils) > 1:
        pupil = st.segmented_control(
            "Answers of", pupils, default=pupils[0], required=True, key=f"pupil of {run}", format_func=names.__getitem__
        )  # fmt: skip
    cast = roles.role_map(config, pupil, sorted(said))
    low, high = TEMPERATURE_RANGE
    temperature = {"temperature": AS_TRAINED} | config.live_values() | {c.option: c.new for c in shown.adjusted}
    feed.mount(
        "bars", shown.name, shown.bars, key=f"bars of {run}",
        classes=shown.prepared.classes, temperatures=[low, high],
        temperature=min(max(temperature["temperature"], low), high),
        roles=list(cast), cast=cast, names={part: names[role] for part, role in cast.items()},
        looks=roles.styles(config), image=0, images=_images(config, tuple(shown.pinned.indices)),
        empty="The first soft targets appear when the student begins.",
        on_temperature_change=lambda: None, on_image_change=lambda: None,
    )  # fmt: skip


@functools.lru_cache(maxsize=32)
def _images(config: RunConfig, indices: tuple[int, ...]) -> list[dict[str, Any]]:
    return [
        {"src": one.src, "x": one.x, "y": one.y, "label": one.label, "title": f"Validation example {index}"}
        for index, one in zip(indices, thumbnails.of_validation(config.dataset, indices), strict=True)
    ]
