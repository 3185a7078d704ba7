"""Augmentation of training images, the same for teacher, student and baseline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kd_core.base.options import Options, as_text, boolean, integer, number
from kd_core.base.seeds import derive_seed, generator, use_seed
from kd_core.datasets import Data, standardise
from kd_core.tasks import EXAMPLE, NUMBERS


@dataclass(frozen=True)
class Augmentation(Options):
    """Augmentation options, all off by default. With any of them the teacher is evaluated at every step."""

    crop: int = integer(
        0, 0, 64, "Pixels of padding before a random crop to the original size; 4 is common for 32 × 32; 0 for none."
    )
    flip: bool = boolean(False, "Flip half of the images horizontally; not for characters.")
    randaugment: int = integer(
        0,
        0,
        30,
        "Magnitude of two random operations on each image (rotation, shear, brightness, …); 9 is common; 0 for none.",
        label="RandAugment",
    )
    mixup: float = number(
        0.0, 0.0, 10.0, "Blends pairs of images; α of the Beta distribution of the weight; 0 for none.",
        step=0.1,
    )  # fmt: skip

    @property
    def is_on(self) -> bool:
        return self != Augmentation()

    def validate(self, data: Data) -> None:
        """Raise ValueError for an option that does not apply to ``data``."""
        name = next((name for name, value in self.values().items() if value), "")
        if name == "mixup" and data.task.inputs != NUMBERS:
            raise ValueError(
                f"mixup = {as_text(self.mixup)}: these data are {data.noun}, and {data.task.inputs} cannot be blended. "
                "Choose mixup = 0."
            )
        if not data.has_images and name not in ("", "mixup"):
            raise ValueError(
                f"{name} = {as_text(getattr(self, name))}: these data are {data.noun}, and only images can be "
                "augmented so."
            )
        if name and data.has_images and data.task.outputs != EXAMPLE:
            raise ValueError(
                f"{name} = {as_text(getattr(self, name))}: the labels of these images belong to places in them, which "
                f"would not move along. Choose {name} = {as_text(type(self)().values()[name])}."
            )
        if self.crop > min(data.shape[1:], default=self.crop):
            raise ValueError(
                f"crop = {self.crop}: the images have {data.shape[1]} × {data.shape[2]} pixels; choose at most "
                f"{min(data.shape[1:])}."
            )

    def transform(self, inputs: Tensor, data: Data, seed: int) -> Tensor:
        """Return inputs (B, ...) augmented by ``seed``, each image independently, on the same device."""
        # torchvision's crop and flip draw once for a whole batch.
        random = generator(seed, "view")
        if self.crop:
            inputs = _random_crop(inputs, self.crop, data, random)
        if self.flip:
            is_flipped = (torch.rand(len(inputs), generator=random) < 0.5).to(inputs.device)
            inputs = torch.where(is_flipped[:, None, None, None], inputs.flip(-1), inputs)
        if self.randaugment:
            from torchvision.transforms import v2  # slow to import, and needed here alone

            augment = v2.RandAugment(magnitude=self.randaugment)
            with use_seed(seed, "randaugment"):
                pixels = torch.stack([augment(image) for image in data.pixels(inputs)])
            inputs = standardise(pixels, data.mean, data.std)
        return inputs

    def blend(self, count: int, seed: int) -> tuple[Tensor, float]:
        """Return the partner of each of ``count`` examples, and the weight of the example itself, at least 0.5.

        There is one weight for the whole batch: Zhang et al. 2018, "mixup", section 2.
        """
        weight = float(np.random.default_rng(derive_seed(seed, "share")).beta(self.mixup, self.mixup))
        return torch.randperm(count, generator=generator(seed, "partners")), max(weight, 1 - weight)


def _random_crop(inputs: Tensor, margin: int, data: Data, random: torch.Generator) -> Tensor:
    """Pad images (B, C, H, W) with black pixels and crop each at a random place."""
    count, channels, height, width = inputs.shape
    black = (torch.tensor(data.mean) / torch.tensor(data.std)).to(inputs).neg()[:, None, None]
    padded = black.expand(count, channels, height + 2 * margin, width + 2 * margin).clone()
    padded[:, :, margin : margin + height, margin : margin + width] = inputs
    top, left = torch.randint(0, 2 * margin + 1, (2, count), generator=random).to(inputs.device)
    rows = top[:, None] + torch.arange(height, device=inputs.device)
    columns = left[:, None] + torch.arange(width, device=inputs.device)
    return padded.gather(2, rows[:, None, :, None].expand(-1, channels, -1, width + 2 * margin)).gather(
        3, columns[:, None, None, :].expand(-1, channels, height, -1)
    )
