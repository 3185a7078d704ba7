"""Device, precision, memory layout and compilation of a run."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn

from kd_core.base.devices import AUTO
from kd_core.base.options import Options, boolean, choice, text

EXACT, BRAIN, HALF = "float32", "bfloat16", "float16"


@dataclass(frozen=True)
class Compute(Options):
    """Options of the computation. They change the last digits of the results, so they belong to a run."""

    device: str = text(AUTO, 20, "Device to train on; auto takes the best one that is free.")
    precision: str = choice(
        EXACT, (EXACT, BRAIN, HALF),
        "Precision of the matrix products in the networks; losses are always computed in float32. 16 bits are faster "
        "where the hardware supports them.",
    )  # fmt: skip
    channels_last: bool = boolean(
        True, "Memory layout of images with the channels last: faster convolutions on most devices.",
        label="Channels last",
    )  # fmt: skip
    compiled: bool = boolean(
        False, "Compile the training step of small networks in the background and use it when ready: faster in long "
        "runs; last digits change.",
        label="Compiled steps",
    )  # fmt: skip

    @property
    def is_exact(self) -> bool:
        """Whether everything is computed in float32."""
        return self.precision == EXACT

    def cache_settings(self) -> dict[str, object]:
        """Return the options that the result of a cached phase depends on; its steps are never compiled."""
        return {name: value for name, value in self.values().items() if name != "compiled"}

    def autocast(self, device: torch.device) -> AbstractContextManager[None]:
        """Return a context in which networks compute in the chosen precision."""
        if self.is_exact:
            return nullcontext()
        return torch.autocast(device.type, torch.bfloat16 if self.precision == BRAIN else torch.float16)

    def scaler(self, device: torch.device) -> torch.amp.GradScaler:
        """Return a loss scaler, which keeps float16 gradients from underflowing; disabled in other precisions."""
        return torch.amp.GradScaler(device.type, enabled=self.precision == HALF)

    def placed(self, network: nn.Module, device: torch.device) -> nn.Module:
        """Return the network on the device, in the chosen memory layout."""
        network = network.to(device)
        return network.to(memory_format=torch.channels_last) if self.channels_last else network
