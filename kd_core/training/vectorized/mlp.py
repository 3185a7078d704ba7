"""Hand-written forward and backward pass of an MLP, without autograd's overhead.

The operations are autograd's own; for small networks its bookkeeping takes longer than the arithmetic.
"""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn


def linear_layers(network: nn.Module) -> list[str]:
    """Return the names of the linear layers of a plain MLP; empty for any other network.

    A plain MLP is an ``nn.Sequential`` of linear layers with biases and ReLU between them, after an optional Flatten.
    """
    if type(network) is not nn.Sequential:
        return []
    modules = list(network.named_children())
    if modules and type(modules[0][1]) is nn.Flatten:
        modules = modules[1:]
    types = [type(module) for _, module in modules]
    if types != ([nn.Linear, nn.ReLU] * len(types))[: len(types)] or types[-1:] != [nn.Linear]:
        return []
    linear = [(name, module) for name, module in modules if isinstance(module, nn.Linear)]
    return [name for name, _ in linear] if all(module.bias is not None for _, module in linear) else []


class ManualMLP:
    """Forward and backward pass of a plain MLP, whose parameters it shares. Call both under ``torch.no_grad()``."""

    def __init__(self, layers: list[nn.Linear]) -> None:
        self.layers = layers
        self._inputs: list[Tensor] = []  # of every layer, in the last forward pass

    @classmethod
    def from_network(cls, network: nn.Module) -> Self | None:
        """Return None unless the network is a plain MLP without frozen parameters."""
        names = linear_layers(network)
        if not names or not all(p.requires_grad for p in network.parameters()):
            return None
        modules = (network.get_submodule(name) for name in names)
        return cls([module for module in modules if isinstance(module, nn.Linear)])

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits (B, K) of inputs (B, ...)."""
        features = inputs.flatten(1)
        self._inputs = [features]
        for layer in self.layers[:-1]:
            features = torch.addmm(layer.bias, features, layer.weight.t()).relu_()
            self._inputs.append(features)
        last = self.layers[-1]
        return torch.addmm(last.bias, features, last.weight.t())

    def backward(self, gradient: Tensor) -> None:
        """Set the gradient of every parameter from that of the last logits, ``gradient`` (B, K)."""
        for number in range(len(self.layers) - 1, -1, -1):
            layer, features = self.layers[number], self._inputs[number]
            layer.weight.grad = torch.mm(gradient.t(), features)
            assert layer.bias is not None
            layer.bias.grad = gradient.sum(0)
            if number:
                gradient = torch.ops.aten.threshold_backward(torch.mm(gradient, layer.weight), features, 0)
        self._inputs = []
