"""Handwritten digits with 8 × 8 pixels, included in scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from kd_core.datasets import Data, Dataset, Split

TRAIN, VALIDATION, TEST = 1000, 297, 500
MEAN, STD = 0.305, 0.376  # of the pixels of the training split, in [0, 1]


@dataclass(frozen=True)
class Digits(Dataset):
    title: ClassVar[str] = "Handwritten digits"
    summary: ClassVar[str] = "1,797 real digits written by 43 people, 8 × 8 grey pixels each."
    family: ClassVar[str] = "images"
    source: ClassVar[str] = "scikit-learn's copy of the UCI test set (Alpaydin & Kaynak, 1998)"
    licence: ClassVar[str] = "CC BY 4.0"
    recommended: ClassVar[Mapping[str, str]] = {"labelled": "50", "epochs": "120"}

    def load(self) -> Data:
        return read_digits()


def read_digits() -> Data:
    """Return a fixed, stratified split into 1,000 train, 297 validation and 500 test images (1, 8, 8)."""
    # Slow to import, and needed by this data set alone.
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    rest, test = train_test_split(np.arange(len(labels)), test_size=TEST, stratify=labels, random_state=0)
    train, validation = train_test_split(
        rest, train_size=TRAIN, test_size=VALIDATION, stratify=labels[rest], random_state=0
    )

    def split(rows: np.ndarray) -> Split:
        images = torch.from_numpy((pixels[rows] / 16 - MEAN) / STD).float().reshape(-1, 1, 8, 8)
        return Split(images, torch.from_numpy(labels[rows]).long())

    return Data(split(train), split(validation), split(test), tuple("0123456789"), (MEAN,), (STD,), 1.0)
