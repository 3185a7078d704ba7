"""The examples of a phase, batch by batch, as every network sees them: on the device if they fit, else streamed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from kd_core.base.devices import free_memory
from kd_core.config.augmentation import Augmentation
from kd_core.datasets import Data, Split
from kd_core.methods import Mixed

SHARE = 0.5  # of a device's free memory that examples may take


@dataclass(frozen=True)
class Batch:
    """``rows`` (B,): positions among the examples shown; ``inputs`` (B, ...) and ``labels`` (B,) on the device."""

    rows: Tensor
    inputs: Tensor
    labels: Tensor
    mixed: Mixed | None = None


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
        inputs = self.augmentation.view(found, self.data, seed)
        if not self.augmentation.mixup:
            return replace(batch, inputs=inputs)
        partners, share = self.augmentation.blend(len(rows), seed)
        partners = partners.to(self.device)
        mixed = Mixed(batch.labels[partners], share)
        return replace(batch, inputs=share * inputs + (1 - share) * inputs[partners], mixed=mixed)
