"""Augmented batches of training examples in seeded order, on the device or streamed to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from kd_core.base.devices import free_memory
from kd_core.base.seeds import derive_seed, generator
from kd_core.config.augmentation import Augmentation
from kd_core.datasets import Data, Split
from kd_core.methods import MixedLabels

MEMORY_FRACTION = 0.5  # of the device's free memory, which the examples may occupy
GATHER_BYTES = 8_000_000  # bytes of inputs that are gathered into batches at once


@dataclass(frozen=True)
class Batch:
    """Examples of one step on the device.

    ``rows`` (B,) are positions among the examples of the phase; ``inputs`` (B, ...); ``labels`` (B,), -1 for none;
    ``mixed`` the labels of the images blended in, under mixup.
    """

    rows: Tensor
    inputs: Tensor
    labels: Tensor
    mixed: MixedLabels | None = None


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
        # Without augmentation the teacher's outputs never change, so they can be cached.
        self.is_fixed = not augmentation.is_on

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: Tensor, seed: int) -> Batch:
        """Return the examples ``rows`` (B,), augmented by ``seed``."""
        inputs = self.inputs[rows] if self.is_resident else self.inputs[rows.cpu()].to(self.device, non_blocking=True)
        batch = Batch(rows, inputs, self.labels[rows])
        if self.is_fixed:
            return batch
        inputs = self.augmentation.transform(inputs, self.data, seed)
        if not self.augmentation.mixup:
            return replace(batch, inputs=inputs)
        partners, fraction = self.augmentation.blend(len(rows), seed)
        partners = partners.to(self.device)
        mixed = MixedLabels(batch.labels[partners], fraction)
        return replace(batch, inputs=fraction * inputs + (1 - fraction) * inputs[partners], mixed=mixed)


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


def epoch_order(pool: Tensor, count: int, seed: int, epoch: int) -> Tensor:
    """Return the positions in a ``pool`` in the order of an epoch.

    A pool of fewer than ``count`` examples is repeated, so that every network takes as many steps.
    """
    order = torch.randperm(len(pool), generator=generator(seed, "order", epoch)).to(pool.device)
    if len(pool) < count:
        order = order.repeat(-(-count // max(1, len(pool))))[:count]
    return pool[order]


@dataclass
class _Epoch:
    """The batches of one epoch as positions of examples, and those gathered so far."""

    number: int = -1
    rows: list[Tensor] = field(default_factory=list)
    first: int = 0  # number of the first gathered batch
    batches: list[Batch] = field(default_factory=list)


class BatchSampler:
    """Batches of ``size`` examples, in another order in every epoch of ``steps_per_epoch`` steps.

    ``pools`` are positions among the ``examples`` by name. A pool with fewer examples is repeated within an epoch, so
    that every network takes as many steps. The order depends on ``seed`` and the epoch alone.
    """

    def __init__(
        self, examples: Examples, pools: Mapping[str, Tensor], *, seed: int, size: int, steps_per_epoch: int
    ) -> None:
        self.examples, self.pools = examples, pools
        self.seed, self.size, self.steps_per_epoch = seed, size, steps_per_epoch
        self._epochs = {name: _Epoch() for name in pools}

    def batch(self, pool: str, done: int) -> Batch:
        """Return the batch of the step after ``done`` others."""
        number = done % self.steps_per_epoch
        if not (self.examples.is_fixed and self.examples.is_resident):
            return self.examples.batch(self.rows(pool, done), derive_seed(self.seed, "augmentation", done))
        epoch = self._epoch(pool, done)
        if not epoch.first <= number < epoch.first + len(epoch.batches):
            epoch.first, epoch.batches = number, self._gather(epoch.rows, number)
        return epoch.batches[number - epoch.first]

    def rows(self, pool: str, done: int) -> Tensor:
        """Return the positions (B,) of the examples of that batch."""
        return self._epoch(pool, done).rows[done % self.steps_per_epoch]

    def order(self, pool: str, epoch: int) -> Tensor:
        """Return the positions of the examples of an epoch."""
        return epoch_order(self.pools[pool], len(self.examples), self.seed, epoch)

    def _epoch(self, pool: str, done: int) -> _Epoch:
        number, epoch = done // self.steps_per_epoch, self._epochs[pool]
        if epoch.number != number:
            epoch = self._epochs[pool] = _Epoch(number, split_batches(self.order(pool, number), self.size))
        return epoch

    def _gather(self, rows: list[Tensor], number: int) -> list[Batch]:
        """Return several batches from ``number`` on. One indexing operation for all is faster than one for each."""
        batch_bytes = self.size * max(1, self.examples.inputs[:1].nbytes)
        chosen = rows[number : number + max(1, GATHER_BYTES // batch_bytes)]
        together, sizes = torch.cat(chosen), [len(batch) for batch in chosen]
        inputs = torch.split(self.examples.inputs[together], sizes)
        labels = torch.split(self.examples.labels[together], sizes)
        return [Batch(*values) for values in zip(chosen, inputs, labels, strict=True)]
