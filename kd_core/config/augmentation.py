"""What happens to every training image before any network sees it: teacher, student and baseline get the same view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2

from kd_core.base.options import Options, as_text, boolean, integer, number
from kd_core.base.seeds import derive_seed, generator, use_seed
from kd_core.datasets import Data, standardise


@dataclass(frozen=True)
class Augmentation(Options):
    """Every option off by default. Views that change are asked of the teacher at every step."""

    crop: int = integer(
        0, 0, 64, "Pixels of margin, out of which a piece of the image's size is cut at random; 4 is usual for 32 × 32."
    )
    flip: bool = boolean(False, "Half of the images mirrored, left to right. Not for characters.")
    randaugment: int = integer(
        0,
        0,
        30,
        "Strength of two random changes to each image (turned, sheared, brighter, …); 0 for none, 9 is usual.",
        label="RandAugment",
    )
    mixup: float = number(
        0.0, 0.0, 10.0, "Two images laid over each other: α of the Beta distribution of their shares; 0 for none.",
        step=0.1,
    )  # fmt: skip

    @property
    def is_on(self) -> bool:
        return self != Augmentation()

    def validate(self, data: Data) -> None:
        """Raises ValueError for data that have no sides to be flipped."""
        changed = next((name for name, value in self.values().items() if value), "")
        if data.is_planar and changed not in ("", "mixup"):
            raise ValueError(
                f"{changed} = {as_text(getattr(self, changed))}: these data are points; only images have sides."
            )
        if self.crop > min(data.shape[1:], default=self.crop):
            raise ValueError(
                f"crop = {self.crop}: the images have {data.shape[1]} × {data.shape[2]} pixels; choose less."
            )

    def transform(self, inputs: Tensor, data: Data, seed: int) -> Tensor:
        """Inputs (B, ...) as they are shown at one step, chosen by ``seed``; each image on its own, on its device."""
        # torchvision's crop and flip draw once for a whole batch; here every image has its own.
        chance = generator(seed, "view")
        if self.crop:
            inputs = _cropped(inputs, self.crop, data, chance)
        if self.flip:
            is_flipped = (torch.rand(len(inputs), generator=chance) < 0.5).to(inputs.device)
            inputs = torch.where(is_flipped[:, None, None, None], inputs.flip(-1), inputs)
        if self.randaugment:
            change = v2.RandAugment(magnitude=self.randaugment)
            with use_seed(seed, "randaugment"):
                pixels = torch.stack([change(image) for image in data.pixels(inputs)])
            inputs = standardise(pixels, data.mean, data.std)
        return inputs

    def blend(self, count: int, seed: int) -> tuple[Tensor, float]:
        """The partner of each of ``count`` examples, and the share, at least a half, that it keeps of itself. Zhang et
        al. 2018, "mixup", section 2: one share for the whole batch."""
        share = float(np.random.default_rng(derive_seed(seed, "share")).beta(self.mixup, self.mixup))
        return torch.randperm(count, generator=generator(seed, "partners")), max(share, 1 - share)


def _cropped(inputs: Tensor, margin: int, data: Data, chance: torch.Generator) -> Tensor:
    """Pieces of images (B, C, H, W) with a black margin, each at a place of its own."""
    count, channels, height, width = inputs.shape
    black = (torch.tensor(data.mean) / torch.tensor(data.std)).to(inputs).neg()[:, None, None]
    padded = black.expand(count, channels, height + 2 * margin, width + 2 * margin).clone()
    padded[:, :, margin : margin + height, margin : margin + width] = inputs
    top, left = torch.randint(0, 2 * margin + 1, (2, count), generator=chance).to(inputs.device)
    rows = top[:, None] + torch.arange(height, device=inputs.device)
    columns = left[:, None] + torch.arange(width, device=inputs.device)
    return padded.gather(2, rows[:, None, :, None].expand(-1, channels, -1, width + 2 * margin)).gather(
        3, columns[:, None, None, :].expand(-1, channels, height, -1)
    )
