"""Augmented batches of training examples in seeded order, on the device or streamed to it."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from kd_core.base.devices import free_memory
from kd_core.base.seeds import derive_seed, generator
from kd_core.config.augmentation import Augmentation
from kd_core.config.label_subset import TrainSubset
from kd_core.datasets import Data, Split
from kd_core.methods import MixedLabels
from kd_core.tasks import EXAMPLE, Task

MEMORY_FRACTION = 0.5  # of the device's free memory, which the examples may occupy
GATHER_BYTES = 8_000_000  # bytes of inputs that are gathered into batches at once


@dataclass(frozen=True)
class Batch:
    """Examples of one step on the device.

    ``rows`` (B,) are positions among the examples of the phase; ``inputs`` (B, ...); ``labels`` (B,), or as the task
    says, -1 for none; ``mixed`` the labels of the images blended in, under mixup.
    """

    rows: Tensor
    inputs: Tensor
    labels: Tensor
    mixed: MixedLabels | None = None
    is_made: bool = False  # by a BatchMaker; ``rows`` are those of the stored examples

    def mixed_rows(self, task: Task) -> MixedLabels | None:
        """Return ``mixed`` with the labels of rows."""
        return self.mixed and replace(self.mixed, labels=task.row_labels(self.mixed.labels))

    def known_labels(self, task: Task) -> tuple[Tensor, Tensor | None]:
        """Return the labels (N,) of rows, and which of them are known, None for all.

        Pixels of a mask may have none; an example without a label is in no batch of a network without a teacher.
        """
        labels = task.row_labels(self.labels)
        if task.outputs == EXAMPLE or bool((labels >= 0).all()):
            return labels, None
        return labels.clamp(min=0), labels >= 0


class Examples:
    """Training examples of a phase, those of ``split``, augmented anew at every step.

    They are copied to the device if they fit into :data:`MEMORY_FRACTION` of its free memory, else batch by batch.
    """

    def __init__(
        self,
        split: Split,
        data: Data,
        device: torch.device,
        augmentation: Augmentation = Augmentation(),  # noqa: B008 - frozen
        *,
        is_channels_last: bool = False,
    ) -> None:
        self.data, self.device, self.augmentation = data, device, augmentation
        inputs = split.inputs
        if is_channels_last and inputs.dim() == 4:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        self.is_resident = inputs.nbytes <= MEMORY_FRACTION * free_memory(device)
        if self.is_resident:
            self.inputs = inputs.to(device)
        else:  # pinned memory is copied to the device while that computes
            self.inputs = inputs.pin_memory() if device.type == "cuda" else inputs
        self.labels = split.labels.to(device)
        self.rows = torch.arange(len(split), device=device)  # that the run sees
        # Without augmentation the teacher's outputs never change, so they can be cached.
        self.is_fixed = not augmentation.is_on

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, rows: Tensor, labels: Tensor) -> Examples:
        """Return the same examples for a run that sees ``rows`` (n,) of them, with ``labels`` (n,)."""
        examples = copy.copy(self)
        examples.rows = rows.to(self.device)
        missing = self.data.task.unlabelled_like(self.labels, len(self)).to(self.device)
        examples.labels = missing.index_copy_(0, examples.rows, labels.to(self.device))
        return examples

    @property
    def lacks_labels(self) -> bool:
        """Whether some of them have no label."""
        return not bool(self.data.task.is_labelled(self.labels[self.rows]).all())

    def batch(self, rows: Tensor, seed: int) -> Batch:
        """Return the examples ``rows`` (B,), augmented by ``seed``."""
        return self.augmented(self.stored(rows), seed)

    def stored(self, rows: Tensor) -> Batch:
        """Return the examples ``rows`` (B,) as they are."""
        inputs = self.inputs[rows] if self.is_resident else self.inputs[rows.cpu()].to(self.device, non_blocking=True)
        return Batch(rows, inputs, self.labels[rows])

    def augmented(self, batch: Batch, seed: int) -> Batch:
        """Return a batch augmented by ``seed``."""
        if self.is_fixed:
            return batch
        rows, inputs = batch.rows, self.augmentation.transform(batch.inputs, self.data, seed)
        if not self.augmentation.mixup:
            return replace(batch, inputs=inputs)
        partners, fraction = self.augmentation.blend(len(rows), seed)
        partners = partners.to(self.device)
        mixed = MixedLabels(batch.labels[partners], fraction)
        return replace(batch, inputs=fraction * inputs + (1 - fraction) * inputs[partners], mixed=mixed)


def build_examples(
    subsets: Iterable[TrainSubset], data: Data, device: torch.device, augmentation: Augmentation, *, channels_last: bool
) -> dict[TrainSubset, Examples]:
    """Return the examples of several subsets of the training split, whose inputs are in memory once."""
    samples = {subset: subset.sample(data) for subset in subsets}
    union = torch.cat([rows for rows, _ in samples.values()])
    if len(samples) > 1:
        union = torch.unique(union)
    position = torch.empty(len(data.train), dtype=torch.long).scatter_(0, union, torch.arange(len(union)))
    unlabelled = Split(data.train.inputs[union], data.task.unlabelled_like(data.train.labels, len(union)))
    examples = Examples(unlabelled, data, device, augmentation, is_channels_last=channels_last)
    return {subset: examples.subset(position[rows], labels) for subset, (rows, labels) in samples.items()}


def split_batches(examples: Tensor, size: int, dim: int = 0) -> list[Tensor]:
    """Split examples along ``dim`` into batches of ``size``; a rest of one example joins the batch before it.

    Statistics of a batch of one example, as in batch normalisation, are none.
    """
    count = examples.shape[dim]
    sizes = [size] * (count // size)
    rest = count % size
    if rest == 1 and sizes:
        sizes[-1] += 1
    elif rest:
        sizes.append(rest)
    return list(torch.split(examples, sizes, dim))


class BatchSampler:
    """Batches of ``size`` of the examples at ``pool`` (N,), in another order in every epoch.

    A pool with fewer examples than the run sees is repeated within an epoch, so that every network takes as many steps.
    The order depends on ``seed`` and the epoch alone.
    """

    def __init__(self, examples: Examples, pool: Tensor, *, seed: int, size: int, steps_per_epoch: int) -> None:
        self.examples, self.pool = examples, pool
        self.seed, self.size, self.steps_per_epoch = seed, size, steps_per_epoch
        self._epoch = -1
        self._rows: list[Tensor] = []  # of the batches of that epoch

    def batch(self, done: int) -> Batch:
        """Return the batch of the step after ``done`` others."""
        return self.examples.batch(self.rows(done), derive_seed(self.seed, "augmentation", done))

    def rows(self, done: int) -> Tensor:
        """Return the positions (B,) of the examples of that batch."""
        epoch, number = divmod(done, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._rows = epoch, split_batches(self.order(epoch), self.size)
        return self._rows[number]

    def order(self, epoch: int) -> Tensor:
        """Return the positions of the examples of an epoch."""
        pool, count = self.pool, len(self.examples.rows)
        order = torch.randperm(len(pool), generator=generator(self.seed, "order", epoch)).to(pool.device)
        if len(pool) < count:
            order = order.repeat(-(-count // max(1, len(pool))))[:count]
        return pool[order]


def confident_examples(logits: Tensor, confidence: float, is_balanced: bool) -> Tensor:
    """Return (N,) whether the top probability of the teacher's ``logits`` (N, K) is at least ``confidence``.

    ``is_balanced`` keeps of every class only the most confident ones, as many as a class has on average. Xie et al.,
    "Self-training with Noisy Student improves ImageNet classification" (2020), section 2.
    """
    top_probability, top_class = logits.softmax(1).max(1)
    is_confident = top_probability >= confidence
    classes = set(top_class[is_confident].tolist())
    if is_balanced and classes:
        limit = -(-int(is_confident.sum()) // len(classes))
        for label in classes:
            members = (is_confident & (top_class == label)).nonzero().flatten()
            is_confident[members[top_probability[members].argsort(descending=True)][limit:]] = False
    return is_confident
