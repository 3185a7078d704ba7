"""Options of the Segmentation page and their URL."""

from __future__ import annotations

from dataclasses import dataclass

from kd_core.base.options import Options, integer, number
from pages.ui.app.url_state import UrlState

TEMPERATURES = (0.25, 16.0)


@dataclass(frozen=True)
class SegmentationOptions(Options):
    """Choices of what is shown and how. None of them changes a network."""

    temperature: float = number(1.0, *TEMPERATURES, "Divides the logits of every pixel before softmax.")
    epoch: int = integer(
        -1, -1, 1_000_000, "Epoch of the stored weights, or the last stored one before it; -1 is the end."
    )
    image: int = integer(-1, -1, 1_000_000, "Position of the image; -1 is one on which the student gains most.")


url = UrlState("segmentation", SegmentationOptions, extra=("run",))
