"""Data set of the engine benchmark, available to configurations after :func:`register`."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import ClassVar, cast

import torch

from kd_core.base.options import choice, integer
from kd_core.base.registry import Plugin, plugins
from kd_core.base.seeds import generator
from kd_core.datasets import Data, Dataset, Split

DIGITS, COLOUR = "digits", "colour"
HELD_OUT = {DIGITS: 180, COLOUR: 256}  # examples of the validation and of the test split


@dataclass(frozen=True)
class Examples(Dataset):
    """Digits or coloured noise, under the name of this module."""

    title: ClassVar[str] = "Examples of the benchmark"
    summary: ClassVar[str] = "Handwritten digits in other splits than the app's, or coloured noise."
    family: ClassVar[str] = "images"
    source: ClassVar[str] = "scikit-learn's digits; torch's random numbers"
    licence: ClassVar[str] = "CC BY 4.0; none needed"

    content: str = choice(DIGITS, (DIGITS, COLOUR), "8 × 8 digits, or noise of 32 × 32 pixels in three colours.")
    count: int = integer(1437, 64, 50_000, "Training examples.")
    classes: int = integer(10, 2, 100, "Classes of the noise.")

    def load(self) -> Data:
        """Return ``count`` training examples, and as many others as :data:`HELD_OUT` says."""
        inputs, labels = (
            _digits() if self.content == DIGITS else _colour(self.count + 2 * HELD_OUT[COLOUR], self.classes)
        )
        rest = HELD_OUT[self.content]
        ends = [0, self.count, self.count + rest, self.count + 2 * rest]
        parts = [Split(inputs[low:high], labels[low:high]) for low, high in itertools.pairwise(ends)]
        channels = inputs.shape[1]
        classes = 10 if self.content == DIGITS else self.classes
        return Data(*parts, tuple(map(str, range(classes))), (0.0,) * channels, (1.0,) * channels)


def _digits() -> tuple[torch.Tensor, torch.Tensor]:
    from sklearn.datasets import load_digits  # takes a second to import

    pixels, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(labels), generator=generator(0, "examples"))
    images = torch.from_numpy(pixels / 16).float().reshape(-1, 1, 8, 8)[order]
    return (images - images.mean()) / images.std(), torch.from_numpy(labels).long()[order]


def _colour(count: int, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = generator(0, "examples")
    return torch.randn(count, 3, 32, 32, generator=random), torch.randint(classes, (count,), generator=random)


def register() -> None:
    """Register the data set in this process."""
    cast("dict[str, type[Plugin]]", plugins("datasets"))[__name__.rsplit(".", 1)[-1]] = Examples
