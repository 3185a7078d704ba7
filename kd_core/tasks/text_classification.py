"""Classification of texts, one label for every text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from kd_core.tasks import CHARACTERS, SplitData
from kd_core.tasks.classification import Classification

END = 0  # stands after the last character of a text, up to the length of the longest one


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


def to_code_points(texts: Sequence[str], length: int | None = None) -> Tensor:
    """Return one or more texts as code points (N, L) int32, each followed by :data:`END`.

    Texts are cut off at ``length`` characters, by default the length of the longest one.
    """
    if length is None:
        length = max(1, *map(len, texts))
    encoded = b"".join(text[:length].ljust(length, chr(END)).encode("utf-32-le", "replace") for text in texts)
    return torch.frombuffer(bytearray(encoded), dtype=torch.int32).reshape(len(texts), length)


def from_code_points(inputs: Tensor) -> list[str]:
    """Return code points (N, L) as texts."""
    return ["".join(map(chr, row)).partition(chr(END))[0] for row in inputs.long().tolist()]
