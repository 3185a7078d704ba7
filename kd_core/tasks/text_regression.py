"""Regression of texts, a number for every text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kd_core.tasks._text import TextInputs
from kd_core.tasks.regression import Regression


@dataclass(frozen=True)
class TextRegression(TextInputs, Regression):
    title: ClassVar[str] = "Text regression"
    summary: ClassVar[str] = "For every text a number is predicted; there are no classes and no temperature."
    row_noun: ClassVar[str] = "texts"
