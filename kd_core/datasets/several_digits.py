"""Images with one to three handwritten digits, and the question which ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn import functional as F

from kd_core.base.options import number
from kd_core.base.seeds import generator
from kd_core.datasets import Data, Dataset, Split
from kd_core.datasets.digits import MEAN, STD, Digits, read_digits
from kd_core.tasks import Task
from kd_core.tasks.multi_label import MultiLabel

COUNTS = {"train": 4000, "validation": 800, "test": 1500}  # images
MOST = 3  # digits of an image, side by side


@dataclass(frozen=True)
class SeveralDigits(Dataset):
    title: ClassVar[str] = "Several digits"
    summary: ClassVar[str] = "One to three handwritten digits side by side; each of the ten classes is there or not."
    family: ClassVar[str] = "images"
    source: ClassVar[str] = Digits.source
    licence: ClassVar[str] = Digits.licence
    recommended: ClassVar[Mapping[str, str]] = {
        "teacher": "cnn", "teacher_epochs": "5", "student": "mlp", "labelled": "200", "epochs": "60",
        "temperature": "4", "learning_rate": "0.003",
    }  # fmt: skip

    noise: float = number(0.1, 0.0, 2.0, "Standard deviation of the noise on each pixel, in that of the ink.", step=0.1)

    @property
    def task(self) -> Task:
        return MultiLabel(classes=10)

    def load(self) -> Data:
        """Draw 4,000 train, 800 validation and 1,500 test images, each from digits of the same split of the digits.

        Images are (1, 8, 24), and labels (10,) are 1 for every digit that occurs, once or more.
        """
        digits = read_digits()
        train, validation, test = (
            self._draw(getattr(digits, name), count, generator(0, "several digits", name))
            for name, count in COUNTS.items()
        )
        return Data(train, validation, test, digits.classes, (MEAN,), (STD,), 0.5, task=self.task)

    def _draw(self, digits: Split, count: int, random: torch.Generator) -> Split:
        """Return images with digits in some of :data:`MOST` places side by side, the others empty."""
        amounts = torch.randint(1, MOST + 1, (count,), generator=random)
        is_filled = torch.rand(count, MOST, generator=random).argsort(1) < amounts[:, None]
        rows = torch.randint(len(digits.labels), (count, MOST), generator=random)
        ink = (digits.inputs * STD + MEAN)[rows, 0] * is_filled[:, :, None, None]
        images = ink.transpose(1, 2).flatten(2)
        images = images + self.noise * STD * torch.randn(images.shape, generator=random)
        labels = F.one_hot(digits.labels[rows], 10).mul(is_filled[:, :, None]).amax(1)
        return Split(((images - MEAN) / STD)[:, None], labels)
