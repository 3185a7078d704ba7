"""Classification of texts, one label for every text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kd_core.tasks._text import TextInputs
from kd_core.tasks.classification import Classification


@dataclass(frozen=True)
class TextClassification(TextInputs, Classification):
    title: ClassVar[str] = "Text classification"
    summary: ClassVar[str] = "Every text belongs to one class."
    row_noun: ClassVar[str] = "texts"
