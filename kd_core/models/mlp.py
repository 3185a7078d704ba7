"""Multi-layer perceptron of fully connected layers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Self

from torch import nn

from kd_core.base.options import choice, widths
from kd_core.models import Model

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


@dataclass(frozen=True)
class Mlp(Model):
    title: ClassVar[str] = "MLP"
    summary: ClassVar[str] = "Fully connected layers, from every pixel to every unit."
    family: ClassVar[str] = "fully connected"

    widths: tuple[int, ...] = widths((64,), 1, 4096, "Units per hidden layer, joined by a dash: 64, or 128-64.")
    activation: str = choice("relu", tuple(ACTIVATIONS), "Activation function.")

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        layers: list[nn.Module] = [nn.Flatten()]
        width = math.prod(shape)
        for units in self.widths:
            layers += [nn.Linear(width, units), ACTIVATIONS[self.activation]()]
            width = units
        return nn.Sequential(*layers, nn.Linear(width, classes))

    def feature_layers(self) -> dict[str, str]:
        ends = [str(2 * layer + 2) for layer in range(len(self.widths))]
        hidden = {f"hidden {number}": end for number, end in enumerate(ends[:-1], start=1)}
        return hidden | {"embedding": ends[-1]}

    def scaled(self, factor: float) -> Self:
        return self.with_values(widths=tuple(max(1, round(width * factor)) for width in self.widths))

    def label(self) -> str:
        return "MLP " + "-".join(map(str, self.widths))
