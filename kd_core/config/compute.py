"""Where and how exactly the numbers are computed: the device, the precision, the layout of images in memory."""

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
    """Another device or precision gives other last digits, so they belong to the configuration of a run."""

    device: str = text(AUTO, 20, "Where the run is trained: auto takes the best device that is free here.")
    precision: str = choice(
        EXACT, (EXACT, BRAIN, HALF),
        "Of the products inside the networks. Losses are computed in float32 always; 16 bits are faster where the "
        "hardware knows them.",
    )  # fmt: skip
    channels_last: bool = boolean(
        True, "Images in memory pixel by pixel rather than colour by colour: faster convolutions on most devices.",
        label="Channels last",
    )  # fmt: skip
    compiled: bool = boolean(
        False, "Takes every training step of small networks as one compiled function once that is ready: faster in "
        "long runs, after some seconds of preparation in the background; last digits change.",
        label="Compiled steps",
    )  # fmt: skip

    @property
    def is_exact(self) -> bool:
        """Nothing is computed in 16 bits."""
        return self.precision == EXACT

    def cache_settings(self) -> dict[str, object]:
        """What the numbers of a phase that is kept depend on: its steps are never compiled."""
        return {name: value for name, value in self.values().items() if name != "compiled"}

    def autocast(self, device: torch.device) -> AbstractContextManager[None]:
        """While open, networks multiply in the chosen precision."""
        if self.is_exact:
            return nullcontext()
        return torch.autocast(device.type, torch.bfloat16 if self.precision == BRAIN else torch.float16)

    def scaler(self, device: torch.device) -> torch.amp.GradScaler:
        """Keeps gradients of 16 bits with five bits of exponent from vanishing; does nothing in other precisions."""
        return torch.amp.GradScaler(device.type, enabled=self.precision == HALF)

    def placed(self, network: nn.Module, device: torch.device) -> nn.Module:
        """The network on the device, in the chosen layout."""
        network = network.to(device)
        return network.to(memory_format=torch.channels_last) if self.channels_last else network
