"""Losses, one file each: WHAT the student matches.

In each file the pure function of the file's name comes first, its options second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from kd_core.catalogue import Member


@dataclass(frozen=True)
class Signals:
    """One batch as both networks see it: all that a method may look at.

    ``student_logits`` and ``teacher_logits`` (B, K), float32, the teacher's without gradient; ``labels`` (B,); ``epoch``:
    passes over the data made before this one.
    """

    student_logits: Tensor
    labels: Tensor
    teacher_logits: Tensor
    epoch: int = 0


@dataclass(frozen=True)
class Part:
    """One named term of a training loss: a scalar tensor in nats and the weight it enters the sum with."""

    name: str
    weight: float
    value: Tensor


class Method(Member):
    """Base of all losses. The training loss is the sum of the weighted parts, by construction."""

    paper: ClassVar[str]  # authors, title, year, section
    formula: ClassVar[str]  # LaTeX, with the symbols of the options
    trap: ClassVar[str]  # the known mistake

    def in_numbers(self) -> str:
        """The loss in LaTeX with the chosen numbers in place of the symbols."""
        raise NotImplementedError

    def parts(self, signals: Signals) -> list[Part]:
        """The loss of one batch, term by term."""
        raise NotImplementedError


def sum_of(*terms: tuple[float, str]) -> str:
    """A loss in LaTeX with its numbers, from (weight, term) pairs."""
    return r"\text{loss} = " + " + ".join(rf"{weight:.3g} \cdot {term}" for weight, term in terms)


def label_part(student_logits: Tensor, labels: Tensor, weight: float = 1.0) -> Part:
    """Cross-entropy with the labels as given, mean over the batch: all that a network without a teacher minimises."""
    return Part("CE", weight, F.cross_entropy(student_logits.float(), labels))


def total(parts: list[Part]) -> Tensor:
    """The training loss. A part of weight 0 is left out, so that it cannot change a single bit (0 * inf is NaN)."""
    weighted = [part.value * part.weight for part in parts if part.weight]
    return sum(weighted[1:], weighted[0])
