"""What a network is shown of the training split: how many labels, how many of them wrong, which class not at all."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from kd_core.base.options import Options, class_name, integer, number
from kd_core.base.seeds import generator
from kd_core.datasets import Data, Split

ALL = 0
NONE = "none"


@dataclass(frozen=True)
class LabelSubset(Options):
    """Options that make the effect of distillation visible on any data set. They hold for student and baseline."""

    labelled: int = integer(
        ALL, ALL, 10_000_000, "Training examples that the student gets, drawn at random; 0 takes all of them.",
        label="Labelled training examples",
    )  # fmt: skip
    wrong: float = number(
        0.0, 0.0, 0.9, "Share of the student's labels that are replaced by another class.", step=0.05,
        label="Share of wrong labels", ends=("every label right", "9 of 10 wrong"),
    )  # fmt: skip
    omitted: str = class_name(NONE, "A class that the student never sees an example of.", label="Omitted class")

    def validate(self, data: Data) -> None:
        """Raises ValueError where these options ask for something that ``data`` does not have."""
        if self.labelled > len(data.train):
            raise ValueError(
                f"labelled = {self.labelled}: the training split has {len(data.train):,} {data.noun}; "
                f"choose a whole number from 0 (all of them) to {len(data.train)}."
            )
        if self.omitted != NONE and self.omitted not in data.classes:
            raise ValueError(f'omitted = "{self.omitted}": choose none, {", ".join(data.classes)}.')

    def apply(self, data: Data, seed: int) -> Split:
        """The training examples as shown, chosen by ``seed``: the same for every network that gets this view."""
        rows, given = self.sample(data, seed)
        return Split(data.train.inputs[rows], given)

    def sample(self, data: Data, seed: int) -> tuple[Tensor, Tensor]:
        """Their positions in the training split (n,) and their labels as given (n,)."""
        labels = data.train.labels
        rows = torch.randperm(len(labels), generator=generator(seed, "labelled"))
        if self.omitted != NONE:
            rows = rows[labels[rows] != data.classes.index(self.omitted)]
        if self.labelled:
            rows = rows[: self.labelled]
        given = labels[rows].clone()
        count = round(self.wrong * len(rows))
        if count:
            chance = generator(seed, "wrong")
            damaged = torch.randperm(len(rows), generator=chance)[:count]
            shift = torch.randint(1, len(data.classes), (count,), generator=chance)
            given[damaged] = (given[damaged] + shift) % len(data.classes)
        return rows, given

    def count(self, data: Data) -> int:
        """Examples shown."""
        present = len(data.train)
        if self.omitted != NONE:
            present = int((data.train.labels != data.classes.index(self.omitted)).sum())
        return min(self.labelled or present, present)

    def in_words(self, data: Data) -> str:
        """One clause for the screen: "50 labelled images, 10 of the labels wrong, none of class 3"."""
        count = self.count(data)
        clause = f"{count:,} labelled {data.noun}" + (", all that there are" if count == len(data.train) else "")
        wrong = round(self.wrong * count)
        clause += f", {wrong:,} of the labels wrong" if wrong else ", every label right"
        return clause + (f", none of class {self.omitted}" if self.omitted != NONE else "")


FULL = LabelSubset()
UNLABELLED = -1  # in the place of a label


@dataclass(frozen=True)
class TrainSubset:
    """What one phase shows of the training split: the labels chosen by ``seed``, and more that a scheme may ask for.

    ``classes``: only examples of these classes (positions; empty: all). ``with_rest``: after the labelled examples all
    others, without their labels. ``is_blind``: no example has its label.
    """

    labels: LabelSubset = FULL
    seed: int = 0
    classes: tuple[int, ...] = ()
    with_rest: bool = False
    is_blind: bool = False

    def apply(self, data: Data) -> Split:
        """The examples shown; the label of one without is :data:`UNLABELLED`."""
        rows, given = self.sample(data)
        return Split(data.train.inputs[rows], given)

    def sample(self, data: Data) -> tuple[Tensor, Tensor]:
        """Their positions in the training split (n,) and their labels as given (n,)."""
        rows, given = self.labels.sample(data, self.seed)
        if self.classes:
            allowed = torch.isin(data.train.labels[rows], torch.tensor(self.classes))
            rows, given = rows[allowed], given[allowed]
        if self.with_rest:
            others = replace(self.labels, labelled=ALL, wrong=0.0).sample(data, self.seed)[0][len(rows) :]
            rows, given = torch.cat([rows, others]), torch.cat([given, torch.full_like(others, UNLABELLED)])
        if self.is_blind:
            given = torch.full_like(given, UNLABELLED)
        return rows, given

    def count(self, data: Data) -> int:
        """Examples shown."""
        if self.with_rest:
            return replace(self.labels, labelled=ALL).count(data)
        return len(self.apply(data)) if self.classes else self.labels.count(data)

    def in_words(self, data: Data) -> str:
        """One clause for the screen."""
        count = self.count(data)
        of = ", ".join(data.classes[number] for number in self.classes)
        if self.is_blind:
            return f"{count:,} {data.noun} without labels" + (f", of {of} alone" if of else "")
        if self.classes:
            return f"{count:,} labelled {data.noun}, of {of} alone"
        clause = self.labels.in_words(data)
        rest = count - self.labels.count(data)
        return clause + (f", and {rest:,} {data.noun} without labels" if self.with_rest else "")
