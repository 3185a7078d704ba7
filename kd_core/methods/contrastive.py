"""Contrastive representation distillation with a memory bank of negatives (CRD)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.base.options import integer, number
from kd_core.methods import EMBEDDING, EmbeddingMethod, LossInputs, Pair, weight_option

EPSILON = 1e-7


def contrastive(student_scores: Tensor, teacher_scores: Tensor, examples: int) -> Tensor:
    r"""Return the noise-contrastive loss in nats of both directions, mean over the batch.

    .. math:: -\frac{1}{B} \sum \Big[\log \frac{o_+}{o_+ + K/N} + \sum_- \log \frac{K/N}{o_- + K/N}\Big]

    Scores o (B, 1 + K) > 0 are similarities of an example to itself (first) and to K negatives, the ``student_scores``
    of its student embedding with the teacher's memory, the ``teacher_scores`` of its teacher embedding with the
    student's memory; N = ``examples``. Tian et al., "Contrastive Representation Distillation" (2020), equations 10 to
    18.
    """
    return _one_direction(student_scores, examples) + _one_direction(teacher_scores, examples)


def _one_direction(scores: Tensor, examples: int) -> Tensor:
    noise = (scores.shape[1] - 1) / examples
    positive, negative = scores[:, 0], scores[:, 1:]
    positives = (positive / (positive + noise + EPSILON)).log().sum()
    return -(positives + (noise / (negative + noise + EPSILON)).log().sum()) / len(scores)


class MemoryBank(nn.Module):
    """Memory bank with linear maps of both embeddings to one space and the latest embedding of every example.

    Negatives are drawn from other classes than that of ``labels`` (N,); an example without a label (below 0) is a class
    of its own. The scores are normalised as in the first batch.
    """

    def __init__(self, student: int, teacher: int, dimensions: int, labels: Tensor, negatives: int) -> None:
        super().__init__()
        self.student, self.teacher = nn.Linear(student, dimensions), nn.Linear(teacher, dimensions)
        self.negatives = negatives
        labels = torch.where(labels < 0, -1 - torch.arange(len(labels)).to(labels), labels)
        self._sorted, self._order = labels.sort(stable=True)  # on the CPU, since not every device has float64
        self.labels: Tensor
        self.constants: Tensor
        self.student_memory: Tensor
        self.teacher_memory: Tensor
        self.register_buffer("labels", labels)
        self.register_buffer("constants", torch.zeros(2))
        for side in ("student_memory", "teacher_memory"):
            self.register_buffer(side, F.normalize(torch.randn(len(labels), dimensions)))

    def candidates(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Return rows (B, 1 + K) of each example and its negatives, of other classes or, with one class, of all."""
        labels, order = self.labels[rows].cpu(), self._order
        first = torch.searchsorted(self._sorted, labels)
        class_size = torch.searchsorted(self._sorted, labels, right=True) - first
        class_size = class_size * (class_size < len(order))
        drawn = torch.rand(len(rows), self.negatives, generator=generator, dtype=torch.float64)
        positions = (drawn * (len(order) - class_size)[:, None]).long()
        positions += class_size[:, None] * (positions >= first[:, None])  # skip the block of the example's class
        return torch.cat([rows[:, None], order[positions].to(rows.device)], 1)

    def scores(self, embedding: Tensor, memory: Tensor, side: int, candidates: Tensor, temperature: float) -> Tensor:
        """Return scores (B, 1 + K) of one network's embeddings (B, D) with the other one's memory (N, D)."""
        similarity = torch.einsum("bd,bkd->bk", embedding, memory[candidates])
        raw = (similarity / temperature).exp()
        if not self.constants[side]:
            self.constants[side] = raw.detach().mean() * len(memory)
        return raw / self.constants[side].clone()  # a copy, since the other side is written before backward

    def remember(self, rows: Tensor, student: Tensor, teacher: Tensor, momentum: float) -> None:
        """Move the memory of these examples towards their current embeddings."""
        for name, embedding in (("student_memory", student), ("teacher_memory", teacher)):
            memory: Tensor = getattr(self, name)
            memory[rows] = F.normalize(momentum * memory[rows] + (1 - momentum) * embedding.detach())


@dataclass(frozen=True)
class Contrastive(EmbeddingMethod):
    title: ClassVar[str] = "Contrastive (CRD)"
    aliases: ClassVar[tuple[str, ...]] = ("CRD",)
    summary: ClassVar[str] = (
        "Pull the student's embedding of an image towards the teacher's, and away from those of other images."
    )
    family: ClassVar[str] = "relation"
    paper: ClassVar[str] = "Tian et al. 2020, section 3"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{CE} + w\,\mathrm{NCE}(\text{student}, \text{memory of the teacher}) + \text{and back}"
    )
    requires: ClassVar[str] = "embeddings of both networks, the index of every example, labels to draw negatives"
    defaults_source: ClassVar[str] = (
        "Weight 0.8, 128 dimensions, T 0.07, momentum 0.5: the authors' code; a quarter of the examples at most "
        "as negatives."
    )
    pitfall: ClassVar[str] = "The memory is part of the training state: a run resumed without it gives other numbers."
    remembers_examples: ClassVar[bool] = True
    part_name: ClassVar[str] = "contrast"
    symbol: ClassVar[str] = r"\mathrm{NCE}(\text{student}, \text{teacher})"

    weight: float = weight_option(0.8, "the contrast")
    dimensions: int = integer(128, 2, 2048, "Size of the common space of both embeddings.")
    negatives: int = integer(16384, 1, 100_000, "Largest number of other examples that each one is compared with.")
    sharpness: float = number(0.07, 0.01, 1.0, "Temperature of the scores.", step=0.01, label="Contrast temperature")
    momentum: float = number(0.5, 0.0, 1.0, "Fraction of the memory that is kept at every update.", step=0.05)

    def adapters(self, pair: Pair, labels: Tensor) -> nn.ModuleDict:
        sizes = pair.student_shapes[EMBEDDING][0], pair.teacher_shapes[EMBEDDING][0]
        negatives = max(1, min(self.negatives, len(labels) // 4))
        return nn.ModuleDict({"memory": MemoryBank(*sizes, self.dimensions, labels, negatives)})

    def connecting_layers(self, pair: Pair) -> nn.ModuleDict:
        memory = super().connecting_layers(pair)["memory"]
        assert isinstance(memory, MemoryBank)
        return nn.ModuleDict({"student 0": memory.student, "teacher 0": memory.teacher})

    def distillation_loss(self, signals: LossInputs) -> Tensor:
        memory = signals.adapters["memory"]
        assert isinstance(memory, MemoryBank)
        assert signals.rows is not None
        student = F.normalize(memory.student(signals.student_features[EMBEDDING]))
        teacher = F.normalize(memory.teacher(signals.teacher_features[EMBEDDING].detach()))
        candidates = memory.candidates(signals.rows, torch.Generator().manual_seed(signals.seed))
        loss = contrastive(
            memory.scores(student, memory.teacher_memory, 0, candidates, self.sharpness),
            memory.scores(teacher, memory.student_memory, 1, candidates, self.sharpness),
            len(memory.labels),
        )
        memory.remember(signals.rows, student, teacher, self.momentum)
        return loss
