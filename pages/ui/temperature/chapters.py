"""Chapters of the Temperature page, of which the chosen one is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import streamlit as st

from pages.ui.temperature.instruments import Instruments
from pages.ui.temperature.settings import CALIBRATION, DARK_KNOWLEDGE, GRADIENTS, SOURCES, url
from pages.ui.widgets import keys
from pages.ui.widgets.explanation import explanation


@dataclass(frozen=True)
class Chapter:
    """One chapter, with a short name, a title, a first sentence for beginners, what to look for, and its figures."""

    name: str
    title: str
    opening: str
    details: str
    draw: Callable[[Instruments], None]


CHAPTERS: Final = {
    GRADIENTS: Chapter(
        "T² and gradients", "Why the loss has a factor T²",
        "A high temperature makes the teacher’s gradient tiny, and multiplying the loss by T² brings it back.",
        "With the teacher’s probabilities p and the student’s q, the gradient with respect to the student’s logits is "
        "(q − p) / T. At high T the difference q − p shrinks like 1 / T too, so the teacher’s gradient would shrink as "
        "1 / T². These are the gradients of this run’s student on its own training examples.",
        Instruments.gradients,
    ),
    CALIBRATION: Chapter(
        "Calibration", "Calibration",
        "A network with good calibration that predicts with 80 % confidence is right in 80 of 100 cases.",
        "Temperature scaling is the standard remedy where it is not: T is fitted on the validation set and checked on "
        "the test set.",
        Instruments.calibration,
    ),
    DARK_KNOWLEDGE: Chapter(
        "Dark knowledge", "Dark knowledge: which classes the teacher confuses",
        "The teacher’s probabilities of wrong classes say which classes look alike; a one-hot label cannot.",
        "Each row is a true class, each column the mean probability that its examples get. Hide the diagonal to see "
        "the rest, and raise T to make it brighter.",
        Instruments.class_similarity,
    ),
    SOURCES: Chapter(
        "Sources of soft targets", "Sources of soft targets",
        "Soft targets can come from a teacher, or from a rule that knows nothing about the example.",
        "Label smoothing and a virtual teacher are such rules. Raise T, and the real teacher approaches one of them.",
        Instruments.sources,
    ),
}  # fmt: skip


def chapters(instruments: Instruments) -> None:
    """Draw the choice of a chapter and the chosen one."""
    current = instruments.options.chapter
    st.segmented_control(
        "Chapter", list(CHAPTERS), default=current, key=keys.key("chapter", current), required=True,
        format_func=lambda name: CHAPTERS[name].name,
        on_change=lambda: url.update(chapter=keys.current_value("chapter")), label_visibility="collapsed",
    )  # fmt: skip
    chapter = CHAPTERS[current]
    st.header(chapter.title, anchor=False)
    explanation(f"text of {current}", chapter.opening, chapter.details)
    chapter.draw(instruments)
