"""The examples of a phase, batch by batch, as every network sees them: on the device if they fit, else streamed."""

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

SHARE = 0.5  # of a device's free memory that examples may take


@dataclass(frozen=True)
class Batch:
    """``rows`` (B,): positions among the examples shown; ``inputs`` (B, ...) and ``labels`` (B,) on the device."""

    rows: Tensor
    inputs: Tensor
    labels: Tensor
    mixed: MixedLabels | None = None


class Examples:
    """What a phase shows: ``split``, changed by ``augmentation`` at every step."""

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
        self.is_resident = inputs.nbytes <= SHARE * free_memory(device)
        if self.is_resident:
            self.inputs = inputs.to(device)
        else:  # pinned memory is copied to the device while that computes
            self.inputs = inputs.pin_memory() if device.type == "cuda" else inputs
        self.labels = split.labels.to(device)
        # Every example looks the same at every step: what a teacher says of it need be asked only once.
        self.is_fixed = not augmentation.is_on

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: Tensor, seed: int) -> Batch:
        """The examples ``rows`` (B,) at one step; ``seed`` chooses how they look."""
        found = self.inputs[rows] if self.is_resident else self.inputs[rows.cpu()].to(self.device, non_blocking=True)
        batch = Batch(rows, found, self.labels[rows])
        if self.is_fixed:
            return batch
        inputs = self.augmentation.transform(found, self.data, seed)
        if not self.augmentation.mixup:
            return replace(batch, inputs=inputs)
        partners, share = self.augmentation.blend(len(rows), seed)
        partners = partners.to(self.device)
        mixed = MixedLabels(batch.labels[partners], share)
        return replace(batch, inputs=share * inputs + (1 - share) * inputs[partners], mixed=mixed)


GATHER_BYTES = 8_000_000  # bytes of inputs that are laid out at once


@dataclass
class _Row:
    """The order of one epoch, and the batches laid out of it so far."""

    epoch: int = -1
    examples: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.long))
    first: int = 0  # number of the first batch laid out
    batches: list[Batch] = field(default_factory=list)


class BatchSampler:
    """Batches of ``size`` in the order of ``seed``, another one in every epoch of ``steps_per_epoch`` steps.

    ``pools``: positions among the ``examples``, by the name of the pool. A smaller pool is passed through more often,
    so that everybody takes as many steps.
    """

    def __init__(
        self, examples: Examples, pools: Mapping[str, Tensor], *, seed: int, size: int, steps_per_epoch: int
    ) -> None:
        self.examples, self.pools = examples, pools
        self.seed, self.size, self.steps_per_epoch = seed, size, steps_per_epoch
        self._rows = {name: _Row() for name in pools}

    def batch(self, pool: str, done: int) -> Batch:
        """The batch of the step after ``done`` others."""
        number = done % self.steps_per_epoch
        if not (self.examples.is_fixed and self.examples.is_resident):
            return self.examples.batch(self.rows(pool, done), derive_seed(self.seed, "augmentation", done))
        row = self._row(pool, done)
        if not row.first <= number < row.first + len(row.batches):
            row.first, row.batches = number, self._laid_out(row.examples, number)
        return row.batches[number - row.first]

    def rows(self, pool: str, done: int) -> Tensor:
        """(B,) the examples of that step."""
        start = done % self.steps_per_epoch * self.size
        return self._row(pool, done).examples[start : start + self.size]

    def _row(self, pool: str, done: int) -> _Row:
        epoch, row = done // self.steps_per_epoch, self._rows[pool]
        if row.epoch != epoch:
            members, shown = self.pools[pool], len(self.examples)
            order = torch.randperm(len(members), generator=generator(self.seed, "order", epoch)).to(members.device)
            if len(members) < shown:
                order = order.repeat(-(-shown // max(1, len(members))))[:shown]
            row = self._rows[pool] = _Row(epoch, members[order])
        return row

    def _laid_out(self, order: Tensor, number: int) -> list[Batch]:
        """Several batches from that number on, gathered in one go."""
        each = self.size * max(1, self.examples.inputs[:1].nbytes)
        rows = order[number * self.size : (number + max(1, GATHER_BYTES // each)) * self.size]
        together = (rows, self.examples.inputs[rows], self.examples.labels[rows])
        apart = (torch.split(whole, self.size) for whole in together)
        return [Batch(*parts) for parts in zip(*apart, strict=True)]
