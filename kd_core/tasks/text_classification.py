"""Classification of texts, one label for every text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from kd_core.files.text import from_code_points
from kd_core.tasks import CHARACTERS, SplitData
from kd_core.tasks.classification import Classification


@dataclass(frozen=True)
class TextClassification(Classification):
    """Classification of texts whose inputs (N, L) are code points of Unicode, so that no alphabet limits them."""

    title: ClassVar[str] = "Text classification"
    summary: ClassVar[str] = "Every text belongs to one class."
    inputs: ClassVar[str] = CHARACTERS
    row_noun: ClassVar[str] = "texts"
    example_noun: ClassVar[str] = "texts"

    def text_of(self, inputs: Tensor, data: SplitData) -> list[str]:  # noqa: ARG002
        return from_code_points(inputs)
