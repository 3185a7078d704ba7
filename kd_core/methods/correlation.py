"""Correlation congruence (CC) of adjacent examples of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from kd_core.base.options import integer
from kd_core.methods import EMBEDDING, EmbeddingMethod, LossInputs, Pair, weight_option


def correlation(student_embedding: Tensor, teacher_embedding: Tensor) -> Tensor:
    r"""Return products of absolute differences of adjacent examples, summed over D, mean over the batch, unitless.

    .. math:: \frac{1}{B - 1} \sum_n \sum_d |s - t|_{nd}\,|s - t|_{n+1,d}

    Embeddings (B, D) of the same size, after the adapters; the value depends on the order of the batch, and is 0 for
    one example. A gradient reaches both, since both adapters are learned: the frozen teacher's embedding must be
    detached before its adapter. Peng et al., "Correlation Congruence for Knowledge Distillation" (2019), section 3, in
    the form of the common code.
    """
    difference = (student_embedding - teacher_embedding).abs()
    return (difference[:-1] * difference[1:]).sum() / max(1, len(difference) - 1)


@dataclass(frozen=True)
class Correlation(EmbeddingMethod):
    title: ClassVar[str] = "Correlation congruence (CC)"
    aliases: ClassVar[tuple[str, ...]] = ("CC",)
    summary: ClassVar[str] = "Reduce differences from the teacher that two adjacent examples of the batch share."
    family: ClassVar[str] = "relation"
    paper: ClassVar[str] = "Peng et al. 2019, section 3"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{CE} + w\,\mathrm{mean}_n \textstyle\sum_d \lvert s-t \rvert_{nd}\,\lvert s-t \rvert_{n+1,d}"
    )
    requires: ClassVar[str] = "embeddings of both networks, each through a linear adapter"
    defaults_source: ClassVar[str] = (
        "Weight 0.02, 128 dimensions: the common benchmark code for CIFAR-100 (RepDistiller)."
    )
    pitfall: ClassVar[str] = "Both adapters are learned, so both may shrink to zero; the weight must stay small."
    part_name: ClassVar[str] = "correlation"
    symbol: ClassVar[str] = r"\mathrm{mean}_n \textstyle\sum_d \lvert s-t \rvert_{nd}\,\lvert s-t \rvert_{n+1,d}"

    weight: float = weight_option(0.02, "the correlation")
    dimensions: int = integer(128, 2, 2048, "Size of the common space of both embeddings.")

    def adapters(self, pair: Pair, labels: Tensor) -> nn.ModuleDict:  # noqa: ARG002
        student, teacher = pair.student_shapes[EMBEDDING][0], pair.teacher_shapes[EMBEDDING][0]
        return nn.ModuleDict(
            {"student 0": nn.Linear(student, self.dimensions), "teacher 0": nn.Linear(teacher, self.dimensions)}
        )

    def distillation_loss(self, signals: LossInputs) -> Tensor:
        student = signals.adapters["student 0"](signals.student_features[EMBEDDING])
        teacher = signals.adapters["teacher 0"](signals.teacher_features[EMBEDDING].detach())
        return correlation(student, teacher)
