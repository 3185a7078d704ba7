"""Linear layers in a row, differentiated by hand: the same operations as autograd's, without keeping its books.

For small networks the books cost more than the numbers. See DECISIONS for what it saves.
"""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn


def linear_layers(network: nn.Module) -> list[str]:
    """The names of the linear layers, if the network is nothing but those with ReLU between them; else empty."""
    if type(network) is not nn.Sequential:
        return []
    modules = list(network.named_children())
    if modules and type(modules[0][1]) is nn.Flatten:
        modules = modules[1:]
    kinds = [type(module) for _, module in modules]
    if kinds != ([nn.Linear, nn.ReLU] * len(kinds))[: len(kinds)] or kinds[-1:] != [nn.Linear]:
        return []
    linear = [(name, module) for name, module in modules if isinstance(module, nn.Linear)]
    return [name for name, _ in linear] if all(module.bias is not None for _, module in linear) else []


class ManualMLP:
    """A network of linear layers with ReLU between them, which shares its parameters."""

    def __init__(self, layers: list[nn.Linear]) -> None:
        self.layers = layers
        self._inputs: list[Tensor] = []  # of every layer, at the last forward pass

    @classmethod
    def from_network(cls, network: nn.Module) -> Self | None:
        """The network as a chain; None for any other kind, and where something listens to its layers or is frozen."""
        names = linear_layers(network)
        if not names or not all(p.requires_grad for p in network.parameters()):
            return None
        found = (network.get_submodule(name) for name in names)
        return cls([layer for layer in found if isinstance(layer, nn.Linear)])

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (B, K) of inputs (B, ...). To be called where no gradients are recorded."""
        features = inputs.flatten(1)
        self._inputs = [features]
        for layer in self.layers[:-1]:
            features = torch.addmm(layer.bias, features, layer.weight.t()).relu_()
            self._inputs.append(features)
        last = self.layers[-1]
        return torch.addmm(last.bias, features, last.weight.t())

    def backward(self, slope: Tensor) -> None:
        """Sets the gradient of every parameter; ``slope`` (B, K) is that of the logits of the last forward pass.

        To be called where no gradients are recorded."""
        for number in range(len(self.layers) - 1, -1, -1):
            layer, features = self.layers[number], self._inputs[number]
            layer.weight.grad = torch.mm(slope.t(), features)
            assert layer.bias is not None
            layer.bias.grad = slope.sum(0)
            if number:
                slope = torch.ops.aten.threshold_backward(torch.mm(slope, layer.weight), features, 0)
        self._inputs = []
