"""Options of the Learn page and their URL."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from kd_core.base.options import Options, boolean, integer, text
from pages.ui.app.url_state import UrlState


@dataclass(frozen=True)
class LearnOptions(Options):
    """A lesson and how far the learner has come in it."""

    lesson: str = text("", 80, "Lesson that is open.")
    seed: int = integer(-1, -1, 1_000_000, "First seed of the learner's runs; -1 before they are started.")
    guess: int = integer(-1, -1, 9, "Predicted choice; -1 before the prediction.")
    marks: str = text("", 300, "Predicted values of the points, as key:value with commas.")
    saw: int = integer(-1, -1, 9, "Choice that the learner saw; -1 before the answer.")
    locked: bool = boolean(False, "Whether only this lesson can be used, as a teacher wishes.")

    @property
    def predictions(self) -> dict[str, float]:
        """The predicted values by point; what cannot be read is left out."""
        values = {}
        for part in self.marks.split(","):
            key, _, number = part.partition(":")
            try:
                value = float(number)
            except ValueError:
                continue
            if math.isfinite(value):
                values[key] = value
        return values


def marks_text(predictions: Mapping[str, float]) -> str:
    """Return predictions as text for the URL."""
    return ",".join(f"{key}:{value:g}" for key, value in predictions.items())


url = UrlState("learn", LearnOptions)


def open_lesson(name: str) -> None:
    """Open a lesson at its beginning, or the list with an empty name."""
    url.update(lesson=name, seed=-1, guess=-1, marks="", saw=-1)
