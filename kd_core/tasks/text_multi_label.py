"""Multi-label classification of texts, a yes or no to every class of a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kd_core.tasks._text import TextInputs
from kd_core.tasks.multi_label import MultiLabel


@dataclass(frozen=True)
class TextMultiLabel(TextInputs, MultiLabel):
    title: ClassVar[str] = "Multi-label text classification"
    summary: ClassVar[str] = "Every text belongs to any number of classes."
