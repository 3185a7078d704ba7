"""Options of the Inspect page and their URL."""

from __future__ import annotations

from dataclasses import dataclass

from kd_core.analysis.error_analysis import CELL, DIFFERENCE, FIXED, GROUPS, ErrorAnalysis
from kd_core.base.options import Options, choice, class_name, integer, number, shorten, text
from kd_core.config.plan import BASELINE, STUDENT, TEACHER
from pages.ui.app.url_state import UrlState

COUNTS, SHARES = "counts", "shares"


@dataclass(frozen=True)
class InspectOptions(Options):
    """Choices of what is shown and how. None of them changes a network or a prediction."""

    epoch: int = integer(
        -1, -1, 1_000_000, "Epoch of the stored weights, or the last stored one before it; -1 is the end."
    )
    pupil: str = text("", 80, "Network whose predictions are compared, where several are distilled.")
    measure: str = choice(COUNTS, (COUNTS, SHARES), "Number of examples, or fraction of the true class.")
    group: str = choice(FIXED, GROUPS, "Which examples are shown.")
    of: str = choice(STUDENT, (TEACHER, STUDENT, BASELINE, DIFFERENCE), "Matrix of the chosen cell.")
    true_class: str = class_name("none", "Row of the chosen cell; needs its column.")
    answered: str = class_name("none", "Column of the chosen cell; needs its row.")
    example: int = integer(-1, -1, 1_000_000, "Position of the example shown in detail; -1 is the first one listed.")
    moment: int = integer(-1, -1, 1_000_000, "Which decision surface of the run is shown, from 0; -1 is the last one.")
    temperature: float = number(4.0, 0.25, 64.0, "Divides the logits of every network before softmax.")

    def errors(self, analysis: ErrorAnalysis) -> dict[str, str]:
        """Return one sentence for every option, by name, that this run does not have."""
        errors = {}
        for name in ("true_class", "answered"):
            value = getattr(self, name)
            if value not in ("none", *analysis.classes):
                errors[name] = f"{name} = {shorten(value)}: choose one of {', '.join(analysis.classes[:20])}, or none."
        if self.example >= len(analysis.labels):
            highest = len(analysis.labels) - 1
            errors["example"] = f"example = {self.example}: choose a whole number from 0 to {highest}."
        matrices = matrices_of(analysis)
        if self.of not in matrices:
            errors["of"] = f"of = {self.of}: choose one of {', '.join(matrices)}; this run has no other matrix."
        return errors

    def cell(self, classes: tuple[str, ...]) -> tuple[int, int] | None:
        """Return row and column of the chosen cell, if both are chosen."""
        pair = (self.true_class, self.answered)
        return (classes.index(pair[0]), classes.index(pair[1])) if set(pair) <= set(classes) else None


url = UrlState("inspect", InspectOptions, extra=("run",))


def matrices_of(analysis: ErrorAnalysis) -> list[str]:
    """Return one confusion matrix per network of a run, and student − baseline where there is a baseline."""
    return [*analysis.parts, *([DIFFERENCE] if BASELINE in analysis.parts else [])]


def select_cell(of: str, true: str, answered: str) -> None:
    """Select a cell of a matrix, and its examples instead of another group."""
    url.update(group=CELL, of=of, true_class=true, answered=answered, example=-1)
