"""Training labels of the students, with their number, label noise and a held-out class."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kd_core.base.options import Options, as_text, class_name, integer, number
from kd_core.base.seeds import generator
from kd_core.datasets import Data, Split
from kd_core.tasks import EXAMPLE, POSITION

ALL = 0  # value of ``labelled``
NONE = "none"
NO_CHANGE = {"wrong": "0", "omitted": NONE}  # values that leave the labels as they are


@dataclass(frozen=True)
class LabelSubset(Options):
    """Which labels student and baseline train on."""

    labelled: int = integer(
        ALL, ALL, 10_000_000, "Training examples of the student, drawn at random; 0 takes all of them.",
        label="Labelled training examples",
    )  # fmt: skip
    wrong: float = number(
        0.0, 0.0, 0.9, "Fraction of the student's labels that are replaced by a random other class.", step=0.05,
        label="Label noise", ends=("no label noise", "9 of 10 labels wrong"),
    )  # fmt: skip
    omitted: str = class_name(NONE, "A class of which the student gets no example.", label="Held-out class")

    def validate(self, data: Data) -> None:
        """Raise ValueError for an option that does not fit ``data``."""
        if not data.task.has_class_per_example and (self.wrong or self.omitted != NONE):
            name = "wrong" if self.wrong else "omitted"
            subject = (
                f"{data.task.title.lower()} has no classes of examples, which can be"
                if data.task.outputs == EXAMPLE
                else f"the labels of {data.noun} are those of their {data.task.row_noun}, which can be"
            )
            raise ValueError(
                f"{name} = {as_text(getattr(self, name))}: {subject} neither wrong nor left out. "
                f"Choose {name} = {NO_CHANGE[name]}."
            )
        if self.labelled > (available := int(data.has_label.sum())):
            with_labels = " with labels" if available < len(data.train) else ""
            raise ValueError(
                f"labelled = {self.labelled}: the training split has {available:,} {data.noun}{with_labels}; "
                f"choose a whole number from 0 (all of them) to {available}."
            )
        if self.omitted != NONE and self.omitted not in data.classes:
            raise ValueError(f'omitted = "{self.omitted}": choose none, {", ".join(data.classes)}.')

    def apply(self, data: Data, seed: int) -> Split:
        """Return the training examples with their labels, chosen by ``seed``."""
        rows, labels = self.sample(data, seed)
        return Split(data.train.inputs[rows], labels)

    def sample(self, data: Data, seed: int) -> tuple[Tensor, Tensor]:
        """Return positions in the training split (n,) and labels with noise (n,)."""
        rows = self.order(data, seed)[: self.count(data)]
        labels = data.train.labels[rows].clone()
        count = round(self.wrong * len(rows))
        if count:
            noise_generator = generator(seed, "wrong")
            noisy = torch.randperm(len(rows), generator=noise_generator)[:count]
            shift = torch.randint(1, len(data.classes), (count,), generator=noise_generator)
            labels[noisy] = (labels[noisy] + shift) % len(data.classes)
        return rows, labels

    def order(self, data: Data, seed: int) -> Tensor:
        """Return positions in the training split in the order of their choice; those without a label are the last."""
        rows = torch.randperm(len(data.train), generator=generator(seed, "labelled"))
        if self.omitted != NONE:
            rows = rows[data.train.labels[rows] != data.classes.index(self.omitted)]
        has_label = data.has_label[rows]
        return torch.cat([rows[has_label], rows[~has_label]])

    def count(self, data: Data) -> int:
        """Return the number of examples, which have labels."""
        is_available = data.has_label
        if self.omitted != NONE:
            is_available = is_available & (data.train.labels != data.classes.index(self.omitted))
        available = int(is_available.sum())
        return min(self.labelled or available, available)

    def in_words(self, data: Data) -> str:
        """Return one clause, such as "50 labelled images, 10 of them with a wrong label, none of class 3"."""
        count = self.count(data)
        labelled = "" if data.task.outputs == POSITION else "labelled "
        clause = f"{count:,} {labelled}{data.noun}" + (", the full training set" if count == len(data.train) else "")
        wrong = round(self.wrong * count)
        if data.task.has_class_per_example:
            clause += f", {wrong:,} of them with a wrong label" if wrong else ", no label noise"
        return clause + (f", none of class {self.omitted}" if self.omitted != NONE else "")


FULL = LabelSubset()
UNLABELLED = -1  # in the place of a label


@dataclass(frozen=True)
class TrainSubset:
    """Training examples of one phase, those of a label subset with the changes that a scheme asks for.

    Attributes:
        labels: The label subset.
        seed: Seed of its choice.
        classes: Positions of the classes to restrict it to; empty: all.
        with_rest: Whether all other examples follow, without labels.
        is_blind: Whether all labels are removed.
    """

    labels: LabelSubset = FULL
    seed: int = 0
    classes: tuple[int, ...] = ()
    with_rest: bool = False
    is_blind: bool = False

    def apply(self, data: Data) -> Split:
        """Return the examples; a removed label is as :meth:`~kd_core.tasks.Task.unlabelled_like` says."""
        rows, labels = self.sample(data)
        return Split(data.train.inputs[rows], labels)

    def sample(self, data: Data) -> tuple[Tensor, Tensor]:
        """Return positions in the training split (n,) and labels (n,)."""
        rows, labels = self.labels.sample(data, self.seed)
        if self.classes:
            is_allowed = torch.isin(data.train.labels[rows], torch.tensor(self.classes))
            rows, labels = rows[is_allowed], labels[is_allowed]
        if self.with_rest:
            others = self.labels.order(data, self.seed)[len(rows) :]
            rows, labels = (
                torch.cat([rows, others]),
                torch.cat([labels, data.task.unlabelled_like(labels, len(others))]),
            )
        if self.is_blind:
            labels = data.task.unlabelled_like(labels, len(labels))
        return rows, labels

    def count(self, data: Data) -> int:
        """Return the number of examples."""
        if self.with_rest:
            return len(self.labels.order(data, self.seed))
        return len(self.apply(data)) if self.classes else self.labels.count(data)

    def in_words(self, data: Data) -> str:
        """Return one clause for the screen."""
        count = self.count(data)
        classes = ", ".join(data.classes[number] for number in self.classes)
        if self.is_blind:
            return f"{count:,} {data.noun} without labels" + (f", of {classes} alone" if classes else "")
        if self.classes:
            return f"{count:,} labelled {data.noun}, of {classes} alone"
        clause = self.labels.in_words(data)
        rest = count - self.labels.count(data)
        return clause + (f", and {rest:,} {data.noun} without labels" if self.with_rest else "")
