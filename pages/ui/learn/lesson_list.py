"""List of the lessons, with those that were completed in this browser."""

from __future__ import annotations

import streamlit as st

from kd_core.config.lessons import Lesson, lessons
from pages.ui.app.room import turn
from pages.ui.components import component
from pages.ui.learn.settings import LearnOptions, open_lesson
from pages.ui.widgets.text.escape import escape_markdown

PROGRESS = "lesson progress"


def show() -> None:
    """Draw a row with a button for every lesson; the first one that is not completed has the primary button."""
    every, done = lessons(), set(completed())
    following = next((name for name in every if name not in done), "")
    for number, (name, lesson) in enumerate(every.items(), start=1):
        _row(number, lesson, is_completed=name in done, is_next=name == following)
    complete("")


def turn_page(options: LearnOptions) -> None:
    """Open the next or the previous lesson if a presenter's clicker says so."""
    step, names = turn.take(), list(lessons())
    position = names.index(options.lesson) + step if options.lesson else 0
    if step and 0 <= position < len(names):
        open_lesson(names[position])
        st.rerun()


def completed() -> list[str]:
    """Return the lessons that this browser has reported as completed."""
    names = getattr(st.session_state.get(PROGRESS), "completed", None) or []
    return [str(name) for name in names]


def complete(name: str) -> None:
    """Keep in the browser that a lesson was completed; "" reads what is kept."""
    mounted = component("lesson_progress")
    mounted(key=PROGRESS, data={"completed": name}, on_completed_change=lambda: None, height=1)


def _row(number: int, lesson: Lesson, *, is_completed: bool, is_next: bool) -> None:
    with st.container(border=True):
        text, side = st.columns([6, 1], vertical_alignment="center")
        text.markdown(
            f"**{number}. {escape_markdown(lesson.title)}**{' · completed' * is_completed}  \n"
            f"{escape_markdown(lesson.question)}"
        )
        side.button(
            "Again" if is_completed else "Begin", key=f"lesson {lesson.name}", width="stretch", on_click=open_lesson,
            args=(lesson.name,), type="primary" if is_next else "secondary", help=f"About {lesson.minutes} minutes",
        )  # fmt: skip
