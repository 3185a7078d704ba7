"""What the engine and its peers are given to train: three pairs of networks, their data and their recipe."""

from __future__ import annotations

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
EPOCHS = 200  # of a run at most: as many as have a look after each of them

# A teacher of 0 epochs takes the weights that it is given; without a control one student is compared with one student.
COMMON = {
    "scheme": "offline", "method": "soft_targets", "temperature": "4", "alpha": "0.9",
    "optimiser": "sgd", "learning_rate": "0.01", "weight_decay": "0.0005",
    "labelled": "0", "wrong": "0", "control": "false", "teacher_epochs": "0", "device": "cpu",
}  # fmt: skip
# The student's step is 3 forward passes of itself and, in the plain loop, one of its teacher: a factor that leaving out
# the teacher could reach is 2.1 in W2, 2.7 in W3 and 6.1 in W4 if operations were all that takes time.
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
    """One of :data:`WORKS` with its teacher: everything follows from ``flat``, the settings of the run."""

    flat: dict[str, str]

    @cached_property
    def config(self) -> RunConfig:
        examples.register()
        return from_flat(self.flat)

    @property
    def data(self) -> Data:
        return load(self.config.dataset)

    @cached_property
    def split(self) -> Split:
        """What the student is shown."""
        return self.config.view.apply(self.data)

    @property
    def batch_size(self) -> int:
        return self.config.recipe.batch_size

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.split) // self.batch_size)

    def loader(self) -> DataLoader:
        """Shuffled, from memory, in this process."""
        dataset = TensorDataset(self.split.inputs, self.split.labels)
        return DataLoader(dataset, batch_size=self.batch_size, shuffle=True)

    def teacher(self) -> nn.Module:
        """In eval mode; its weights still ask for gradients, as those of a network that was just trained."""
        network = self.config.teacher.build(self.data.shape, len(self.data.classes))
        network.load_state_dict(weights.load(self.config.teacher_recipe.weights))
        return network.eval()

    def student(self) -> nn.Module:
        """With the weights that the engine's student begins with."""
        with use_seed(self.config.seed, "weights"):
            network = self.config.method.build(self.config.pair)
        return network.train()

    def optimiser(self, student: nn.Module) -> torch.optim.Optimizer:
        recipe = self.config.recipe
        settings = {"lr": recipe.learning_rate, "momentum": 0.9, "weight_decay": recipe.weight_decay}
        return torch.optim.SGD(student.parameters(), **settings)

    def checked(self) -> Work:
        """The same with one batch of examples, and as many epochs as steps: whatever the order, the batches are the
        same."""
        return Work(self.flat | {"labelled": str(self.batch_size), "epochs": str(CHECKED_STEPS)})

    def in_words(self) -> str:
        """Networks with their parameters, examples, batch."""
        networks = {self.config.teacher.label(): self.teacher(), self.config.student.label(): self.student()}
        sizes = [f"{label} ({sum(p.numel() for p in own.parameters()):,})" for label, own in networks.items()]
        shape = " × ".join(map(str, self.data.shape))
        return f"{' → '.join(sizes)}, {len(self.split):,} images of {shape}, batches of {self.batch_size}"


def prepared(name: str) -> Work:
    """The work with its teacher: trained for one epoch, kept in the data folder of this process and its children."""
    examples.register()
    flat = COMMON | WORKS[name]
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
