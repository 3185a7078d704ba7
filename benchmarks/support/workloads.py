"""Workloads of the engine benchmark, each a pair of networks with data and recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.support import examples
from kd_core.base.seeds import generator, use_seed
from kd_core.config.run import RunConfig, from_flat
from kd_core.datasets import Data, Split, load
from kd_core.nn import weights

CHECKED_STEPS = 10
EPOCHS = 200  # of a run at most, so that each is followed by an evaluation

# The teacher starts from uploaded weights and is not trained; there is no control, as with the other libraries.
COMMON = {
    "scheme": "offline", "method": "soft_targets", "temperature": "4", "alpha": "0.9",
    "optimiser": "sgd", "learning_rate": "0.01", "weight_decay": "0.0005",
    "labelled": "0", "wrong": "0", "control": "false", "teacher_epochs": "0", "device": "cpu",
}  # fmt: skip
# A step costs 3 forward passes of the student and, in the plain loop, one of the teacher. Counting operations alone,
# caching the teacher's logits could gain a factor of 2.1 in W2, 2.7 in W3 and 6.1 in W4.
WORKS: dict[str, dict[str, str]] = {
    "W1": {
        "dataset": "examples", "dataset_content": examples.DIGITS, "batch_size": "64",
        "teacher": "cnn", "teacher_width": "28", "student": "mlp", "student_widths": "64",
    },
    "W2": {
        "dataset": "examples", "dataset_content": examples.COLOUR, "dataset_count": "1024", "batch_size": "128",
        "teacher": "resnet", "teacher_depth": "20", "student": "resnet", "student_depth": "8",
    },
    "W3": {
        "dataset": "glyphs", "dataset_count": "4096", "batch_size": "128",
        "teacher": "cnn", "teacher_width": "16", "teacher_depth": "4",
        "student": "cnn", "student_width": "8", "student_depth": "3", "student_normalisation": "batch",
    },
    "W4": {
        "dataset": "glyphs", "dataset_count": "4096", "batch_size": "128",
        "teacher": "cnn", "teacher_width": "28", "teacher_depth": "4",
        "student": "cnn", "student_width": "8", "student_depth": "3", "student_normalisation": "batch",
    },
}  # fmt: skip

TITLES = {
    "W1": "digits MLP",
    "W2": "ResNet-20 → ResNet-8 at 32×32",
    "W3": "glyphs CNN, its teacher twice as wide",
    "W4": "glyphs CNN, its teacher 3.5 times as wide",
}


@dataclass(frozen=True)
class Work:
    """One of :data:`WORKS` with its teacher; ``flat`` are the settings of the run."""

    flat: dict[str, str]

    @cached_property
    def config(self) -> RunConfig:
        """The configuration of the run."""
        examples.register()
        return from_flat(self.flat)

    @property
    def data(self) -> Data:
        """The three splits."""
        return load(self.config.dataset)

    @cached_property
    def split(self) -> Split:
        """Training examples of the student."""
        return self.config.view.apply(self.data)

    @property
    def batch_size(self) -> int:
        """Examples per step."""
        return self.config.recipe.batch_size

    @property
    def steps_per_epoch(self) -> int:
        """Steps per epoch."""
        return -(-len(self.split) // self.batch_size)

    def loader(self) -> DataLoader:
        """Return a shuffling loader without worker processes."""
        dataset = TensorDataset(self.split.inputs, self.split.labels)
        return DataLoader(dataset, batch_size=self.batch_size, shuffle=True)

    def teacher(self) -> nn.Module:
        """Return the teacher in eval mode, with parameters that require gradients as after training."""
        network = self.config.teacher.build(self.data.shape, len(self.data.classes))
        network.load_state_dict(weights.load(self.config.teacher_recipe.weights))
        return network.eval()

    def student(self) -> nn.Module:
        """Return the student with the initial weights of the engine's."""
        with use_seed(self.config.seed, "weights"):
            network = self.config.method.build(self.config.pair)
        return network.train()

    def optimiser(self, student: nn.Module) -> torch.optim.Optimizer:
        """Return the optimiser of the student."""
        recipe = self.config.recipe
        settings = {"lr": recipe.learning_rate, "momentum": 0.9, "weight_decay": recipe.weight_decay}
        return torch.optim.SGD(student.parameters(), **settings)

    def checked(self) -> Work:
        """Return the same work with a single batch of examples, so that the data order does not matter."""
        return Work(self.flat | {"labelled": str(self.batch_size), "epochs": str(CHECKED_STEPS)})

    def in_words(self) -> str:
        """Return networks with their parameters, examples and batch size."""
        networks = {self.config.teacher.label(): self.teacher(), self.config.student.label(): self.student()}
        sizes = [f"{label} ({sum(p.numel() for p in network.parameters()):,})" for label, network in networks.items()]
        shape = " × ".join(map(str, self.data.shape))
        return f"{' → '.join(sizes)}, {len(self.split):,} images of {shape}, batches of {self.batch_size}"


def prepared(name: str) -> Work:
    """Return one of :data:`WORKS`, as :func:`prepare`."""
    return prepare(WORKS[name])


def prepare(settings: Mapping[str, str]) -> Work:
    """Return a work with its teacher, which is trained for one epoch and stored in the data folder."""
    examples.register()
    flat = COMMON | settings
    config = from_flat(flat | {"teacher_epochs": "1"})
    data = load(config.dataset)
    with use_seed(0, "teacher"):
        teacher = config.teacher.build(data.shape, len(data.classes))
    optimiser = torch.optim.SGD(teacher.parameters(), lr=0.02, momentum=0.9)
    for rows in torch.randperm(len(data.train), generator=generator(0, "order")).split(config.recipe.batch_size):
        loss = F.cross_entropy(teacher(data.train.inputs[rows]), data.train.labels[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    key = weights.add("teacher", weights.export(teacher), config.teacher, data.shape, len(data.classes))
    return Work(flat | {"teacher_weights": key, "epochs": str(EPOCHS)})
