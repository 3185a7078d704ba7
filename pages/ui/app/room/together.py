"""One training of a whole class, each member with a temperature of its own, and the map of its students."""

from __future__ import annotations

import functools
import math
import statistics
import time
from collections.abc import Mapping

import streamlit as st

from kd_core.base.marks import ROLES, percent
from pages.ui.app.errors import toast_errors
from pages.ui.app.room.rooms import Room

TEMPERATURES = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 20.0)
MAX_SEEDS = 6  # of one temperature; with all temperatures this is a sweep of 84 runs
TEMPLATE = {"dataset": "digits", "labelled": "50"}
MAP_SECONDS = 0.5  # for which all members have the same map
HEIGHT = 150  # pixels of the map

Accuracies = Mapping[tuple[float, int], float]  # in [0, 1], by temperature and seed


def control(room: Room) -> None:
    """Draw the buttons that ask every member for a temperature and train a student for each."""
    if not room.is_training_together:
        st.button("Train together", icon=":material/groups:", key="train together", on_click=_gather, args=(room,))
        return
    st.caption(f"{len(room.values)} of {room.count} have chosen a temperature", width="content")
    st.button(
        "Train everybody’s student", icon=":material/play_arrow:", type="primary", key="train everybody",
        disabled=not room.values, on_click=_train, args=(room,),
    )  # fmt: skip


def choice(room: Room, member: str) -> None:
    """Draw the choice of a member's temperature, or which one it was."""
    if room.is_training_together:
        current = room.values.get(member)
        chosen = st.select_slider("Your student’s temperature", TEMPERATURES, current or 4.0, key="own temperature")
        st.button(
            "Send" if current is None else "Send again", key="send temperature", on_click=_choose,
            args=(room, member, float(chosen)),
        )  # fmt: skip
        if current is not None:
            st.caption(f"Sent: T = {current:g}")


def class_map(room: Room, member: str = "") -> None:
    """Draw a dot for the student of every member, its validation accuracy over its temperature, while they train."""
    if not room.sweep:
        return
    accuracies = _accuracies(room.sweep, int(time.monotonic() / MAP_SECONDS))
    students = room.students(MAX_SEEDS)
    dots = {one: accuracies[student] for one, student in students.items() if student in accuracies}
    st.markdown(f"**The class trains** one student each: {len(dots)} of {len(students)} have a result.")
    if dots:
        st.html(_picture(students, dots, member))
    if member in students:
        temperature, seed = students[member]
        accuracy = f", {percent(dots[member])} on the validation set" if member in dots else ""
        st.caption(f"◉ Your student: T = {temperature:g}, seed {seed}{accuracy}.")


@toast_errors
def _gather(room: Room) -> None:
    room.gather(TEMPERATURES)


@toast_errors
def _choose(room: Room, member: str, value: float) -> None:
    room.choose(member, value)


@toast_errors
def _train(room: Room) -> None:
    """Train one student for each member, as one stack."""
    # The frame of the pages is drawn before the engine is imported.
    from kd_core.config.run import from_flat
    from kd_core.config.sweep import Axis, Sweep
    from pages.ui.app.actions import actions

    students = set(room.students(MAX_SEEDS).values())
    values = tuple(f"{value:g}" for value in sorted({value for value, _ in students}))
    seeds = tuple(range(1 + max(seed for _, seed in students)))
    sweep = Sweep(from_flat(TEMPLATE), (Axis("temperature", values),), seeds)
    room.end_gathering(actions().start_sweep(sweep))


@functools.lru_cache(maxsize=8)
def _accuracies(sweep: str, _moment: int) -> Accuracies:
    """Return the latest validation accuracy of every student of a sweep; the same for everybody at one moment."""
    from kd_core.runs import manager
    from kd_core.store.queries import RunQueries

    store = manager.get_manager().store
    row = store.sweep(sweep)
    if row is None:
        return {}
    keys = [(float(value), seed) for value in row.sweep.axes[0].values for seed in row.sweep.seeds]
    latest = RunQueries(store).latest_evaluations(sweep, "student", "baseline")
    return {
        key: evaluation.accuracy
        for key, evaluation in zip(keys, latest, strict=True)
        if evaluation.accuracy is not None
    }


def _picture(students: Mapping[str, tuple[float, int]], dots: Mapping[str, float], member: str) -> str:
    """Return the map as HTML. Dots are in percent of its width, so that it fits every screen."""
    temperatures = sorted({value for value, _ in students.values()})
    low = math.floor(10 * min(dots.values())) / 10
    high = max(low + 0.1, math.ceil(10 * max(dots.values())) / 10)
    colour = ROLES["student"]["dark" if st.context.theme.type == "dark" else "light"]

    def left(value: float, seed: int = 0) -> float:
        return 100 * (temperatures.index(value) + 0.5) / len(temperatures) + (seed % 3 - 1) * 15 / len(temperatures)

    style = "position:absolute;transform:translate(-50%,50%);line-height:1"
    marks = "".join(
        f"<span style='{style};left:{left(*students[one]):.1f}%;bottom:{100 * (value - low) / (high - low):.1f}%;"
        f"color:{'inherit' if one == member else colour};font-size:{22 if one == member else 14}px'>"
        f"{'◉' if one == member else '●'}</span>"
        for one, value in sorted(dots.items(), key=lambda pair: pair[0] == member)
    )
    ticks = "".join(
        f"<span style='{style};left:{left(value, 1):.1f}%;bottom:-14px;font-size:12px'>{value:g}</span>"
        for value in temperatures
    )
    by_value = {value: [dots[one] for one in dots if students[one][0] == value] for value in temperatures}
    means = ", ".join(f"T = {one:g}: {percent(statistics.fmean(every))}" for one, every in by_value.items() if every)
    return (
        f"<div role='img' aria-label='Validation accuracy of the class, mean by temperature: {means}'"
        f" style='padding:14px 8px 30px 46px'><div style='position:relative;height:{HEIGHT}px;"
        "border-left:1px solid currentColor;border-bottom:1px solid currentColor'>"
        f"<span style='position:absolute;left:-46px;top:-6px;font-size:12px'>{percent(high, 0)}</span>"
        f"<span style='position:absolute;left:-46px;bottom:-6px;font-size:12px'>{percent(low, 0)}</span>"
        f"{marks}{ticks}</div><div style='text-align:center;font-size:12px;padding-top:18px'>temperature T</div></div>"
    )
