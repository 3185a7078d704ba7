"""Regression of a known function of five numbers, with noise of any strength."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch

from kd_core.base.options import number
from kd_core.base.seeds import generator
from kd_core.datasets import Data, Dataset, Split
from kd_core.tasks import Task
from kd_core.tasks.regression import Regression

TRAIN, VALIDATION, TEST = 4000, 1000, 1500
INPUTS = 10  # numbers of an example, of which the function depends on the first five
UNIFORM_STD = 12**-0.5  # of a uniform number from 0 to 1


@dataclass(frozen=True)
class Friedman(Dataset):
    title: ClassVar[str] = "A noisy function"
    aliases: ClassVar[tuple[str, ...]] = ("Friedman 1",)
    summary: ClassVar[str] = "Numbers to be predicted: a smooth function of five of ten numbers, with noise."
    family: ClassVar[str] = "numbers"
    source: ClassVar[str] = "drawn here by scikit-learn (Friedman 1991, equation 61)"
    licence: ClassVar[str] = "none needed"
    recommended: ClassVar[Mapping[str, str]] = {
        "teacher": "mlp", "teacher_widths": "96-96", "teacher_epochs": "10", "teacher_learning_rate": "0.005",
        "teacher_schedule": "cosine",
        "student": "mlp", "student_widths": "16-16", "labelled": "120", "epochs": "40", "batch_size": "32",
        "method": "logit_mse", "label_weight": "0.5", "weight": "0.5", "learning_rate": "0.01", "schedule": "cosine",
    }  # fmt: skip

    noise: float = number(
        1.0, 0.0, 4.0, "Standard deviation of the noise on all labels, in that of the function.", step=0.1
    )

    @property
    def task(self) -> Task:
        return Regression()

    def load(self) -> Data:
        """Draw 4,000 train, 1,000 validation and 1,500 test examples.

        Inputs (10,) are standardised, and labels (1,) so that those without noise are. All splits have the same noise.
        """
        from sklearn.datasets import make_friedman1  # slow to import, and needed by this data set alone

        inputs, values = (
            torch.from_numpy(one) for one in make_friedman1(TRAIN + VALIDATION + TEST, INPUTS, random_state=0)
        )
        std, mean = torch.std_mean(values[:TRAIN], correction=0)
        true = ((values - mean) / std)[:, None]
        noise = torch.randn(true.shape, generator=generator(0, "friedman"), dtype=torch.float64)
        labels = (true + self.noise * noise).float()
        standardised = ((inputs - 0.5) / UNIFORM_STD).float()
        ends = [0, TRAIN, TRAIN + VALIDATION, len(true)]
        train, validation, test = (
            Split(standardised[first:last], labels[first:last]) for first, last in pairwise(ends)
        )
        return Data(
            train, validation, test, ("y",), task=self.task, label_centre=(float(mean),), label_scale=(float(std),),
            true_labels=true[ends[2] :].float(),
        )  # fmt: skip
