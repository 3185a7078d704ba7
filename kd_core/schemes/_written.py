"""Batches of examples that a network writes, for tasks whose networks can."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kd_core.base.seeds import derive_seed, generator
from kd_core.config.label_subset import UNLABELLED
from kd_core.config.plan import BatchMaker, MakerInputs
from kd_core.tasks import Task


@dataclass(frozen=True)
class WrittenBatches(BatchMaker):
    """Batches that the network in the role ``writer`` writes from the beginnings of stored examples.

    Attributes:
        writer: Role of the network.
        task: What an example is.
        classes: Number of classes.
        is_labelled: Whether what was written is also the label, as in a text that is learned like any other.
        fraction: Fraction of the batches that are written; the others are stored examples.
        reuse: Steps for which so many batches are written at once.
        temperature: At which it writes.
    """

    writer: str
    task: Task
    classes: int
    is_labelled: bool = False
    fraction: float = 1.0
    reuse: int = 1
    temperature: float = 1.0

    def make(self, stored: MakerInputs) -> tuple[Tensor, Tensor]:
        memory, size = stored.memory, len(stored.inputs)
        place = stored.step % self.reuse
        if place == 0 or not memory:
            inputs, labels = self.task.write_examples(
                stored.networks[self.writer], stored.inputs, self.classes,
                copies=self.reuse, seed=stored.seed, temperature=self.temperature,
            )  # fmt: skip
            memory.update(inputs=inputs, labels=labels)
        draw = torch.rand((), generator=generator(derive_seed(stored.seed, "written")))
        if draw >= self.fraction:
            return stored.inputs, stored.labels
        rows = (torch.arange(size, device=stored.inputs.device) + place * size) % len(memory["inputs"])
        labels = memory["labels"][rows]
        return memory["inputs"][rows], labels if self.is_labelled else torch.full_like(labels, UNLABELLED)

    def in_words(self) -> str:
        rest = "" if self.fraction == 1 else f", {100 * (1 - self.fraction):.0f} % of the batches from the training set"
        return f"{self.task.example_noun} that the {self.writer} writes{rest}"
