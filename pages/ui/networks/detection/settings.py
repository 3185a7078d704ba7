"""Options of the Detection page and their URL."""

from __future__ import annotations

from dataclasses import dataclass

from kd_core.base.options import Options, integer, number
from kd_core.methods import TEMPERATURE_RANGE
from pages.ui.app.url_state import UrlState


@dataclass(frozen=True)
class DetectionOptions(Options):
    """Choices of what is shown and how. None of them changes a network."""

    temperature: float = number(
        1.0, *TEMPERATURE_RANGE, "Divides the logits of a side before its distribution is drawn."
    )
    threshold: float = number(0.5, 0.05, 0.99, "Least score of a box that is drawn.", step=0.01)
    image: int = integer(0, 0, 1_000_000, "Which of the images is shown, from 0.")
    cell: int = integer(-1, -1, 1_000_000, "Cell whose sides are shown; -1 for the first object.")


url = UrlState("detection", DetectionOptions, extra=("run",))
