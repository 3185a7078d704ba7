"""Options of the Temperature page and their URL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from kd_core.base.options import Options, boolean, choice, class_name, integer, logits, number, shorten, text
from pages.ui.app.url_state import UrlState

IMAGE, DRAWING, LOGITS = "image", "drawing", "logits"  # where the input comes from
LOGIT_FIELDS = ("teacher_logits", "student_logits")
NETWORKS = ("teacher", "student", "baseline")
GRADIENTS, CALIBRATION, DARK_KNOWLEDGE, SOURCES = CHAPTERS = ("gradients", "calibration", "dark_knowledge", "sources")
# What a link without a chapter opens, by the options of its figures.
CHAPTER_OPTIONS = {
    DARK_KNOWLEDGE: ("diagonal", "map_log", "difference", "true_class", "answered"),
    SOURCES: ("targets_log", "smoothing", "correct_probability"),
}
DIFFERENCES = ("student-teacher", "baseline-teacher", "student-baseline")
MIN_CLASSES, MAX_CLASSES = 2, 1000  # of logits typed by hand


@dataclass(frozen=True)
class TemperatureOptions(Options):
    """Choices of what is shown and how. None of them changes a network."""

    temperature: float = number(4.0, 0.25, 64.0, "Divides the logits of every network before softmax.")
    epoch: int = integer(
        -1, -1, 1_000_000, "Epoch of the stored weights, or the last stored one before it; -1 is the end."
    )
    source: str = choice(IMAGE, (IMAGE, DRAWING, LOGITS), "Input: an example, a drawing, or logits typed by hand.")
    image: int = integer(-1, -1, 1_000_000, "Position of the example; -1 chooses one on which T has a clear effect.")
    show: str = choice("all", ("all", "unsure", "student_wrong", "disagree"), "Which examples can be chosen.")
    of_class: str = class_name("none", "Only examples of this class can be chosen.")
    drawing: str = text("", 1500, "Strokes on a grid of 64 × 64, two characters per point; x,y for points.")
    teacher_logits: tuple[float, ...] = logits((6.0, 3.0, -1.0), MIN_CLASSES, MAX_CLASSES, "One number per class.")
    student_logits: tuple[float, ...] = logits((2.0, 1.5, 0.5), MIN_CLASSES, MAX_CLASSES, "One number per class.")
    network: str = choice(NETWORKS[0], NETWORKS, "Network whose logits are written out.")
    chapter: str = choice(CHAPTERS[0], CHAPTERS, "Chapter that is open.")
    first: str = class_name("none", "First class of the ratio; needs the second one.")
    second: str = class_name(
        "none", "Second class of the ratio; without both, the teacher's two most probable classes."
    )
    log: bool = boolean(False, "Probabilities on a logarithmic axis.")
    alpha: float = number(0.9, 0.0, 1.0, "The teacher's weight in the loss.", step=0.01)
    diagonal: bool = boolean(True, "Show the probability of the true class in the map.")
    map_log: bool = boolean(False, "The map's colours on a logarithmic scale.")
    difference: str = choice(DIFFERENCES[0], DIFFERENCES, "Which difference the map shows.")
    true_class: str = class_name("none", "Row of the chosen cell of the map; needs its column.")
    answered: str = class_name("none", "Column of the chosen cell of the map; needs its row.")
    targets_log: bool = boolean(True, "The sources of soft targets on a logarithmic axis.")
    smoothing: float = number(
        0.1, 0.0, 1.0, "Probability that label smoothing spreads evenly over all classes.",
        step=0.01, label="Label smoothing ε",
    )  # fmt: skip
    correct_probability: float = number(
        0.99, 0.5, 1.0, "Probability that the virtual teacher gives to the label before softening.",
        step=0.01, label="Virtual teacher’s confidence",
    )  # fmt: skip

    def errors(self, classes: Sequence[str], examples: int) -> dict[str, str]:
        """Return one sentence for every option, by name, that data of these classes and examples do not have."""
        errors = {}
        for name in ("of_class", "first", "second", "true_class", "answered"):
            choices = self._input_classes(classes) if name in ("first", "second") else classes
            value = getattr(self, name)
            if value not in ("none", *choices):
                errors[name] = f"{name} = {shorten(value)}: choose one of {', '.join(choices[:20])}, or none."
        for pair in (("first", "second"), ("true_class", "answered")):
            chosen = [name for name in pair if getattr(self, name) != "none" and name not in errors]
            if len(chosen) == 1 and not errors.keys() & set(pair):
                errors[chosen[0]] = f"{chosen[0]}: {pair[0]} and {pair[1]} belong together; choose both."
        if self.image >= examples:
            errors["image"] = f"image = {self.image}: choose a whole number from 0 to {examples - 1}."
        return errors

    def typed_logits(self) -> dict[str, list[float]]:
        """Return the logits typed by hand, by role. Raises ValueError if their numbers of classes differ."""
        teacher, student = list(self.teacher_logits), list(self.student_logits)
        if len(teacher) != len(student):
            raise ValueError(
                f"teacher_logits has {len(teacher)} numbers and student_logits {len(student)}: "
                "give both networks the same number, one per class."
            )
        return {"teacher": teacher, "student": student}

    def _input_classes(self, classes: Sequence[str]) -> Sequence[str]:
        if self.source != LOGITS:
            return classes
        return [f"class {number + 1}" for number in range(len(self.teacher_logits))]


# The default of alpha is the weight that the run was trained with.
url = UrlState("temperature", TemperatureOptions, extra=("run",), always=("alpha", "chapter"))


def current_options(classes: Sequence[str], examples: int, defaults: dict[str, Any]) -> TemperatureOptions:
    """Return the options in the URL, with defaults for those that are invalid, which are named on the screen."""
    options, errors = url.read(**defaults)
    if "chapter" not in st.query_params:
        options = options.with_values(chapter=_linked_chapter())
    if errors.keys() & set(LOGIT_FIELDS):  # the valid one of the two may have another number of classes
        options = url.reset(options, LOGIT_FIELDS)
    return url.reset_unfit(options, errors, options.errors(classes, examples))


def _linked_chapter() -> str:
    """Return the chapter to which an option in the URL belongs; links once had no chapter, as all were on the page."""
    linked = (chapter for chapter, names in CHAPTER_OPTIONS.items() if any(name in st.query_params for name in names))
    return next(linked, CHAPTERS[0])
