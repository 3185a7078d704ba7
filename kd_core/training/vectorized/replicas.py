"""Stacked weights of R replicas of one network, and their forward pass."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from kd_core.nn.inference import MAX_EXAMPLES, MAX_INPUT_BYTES

MAX_TOTAL_EXAMPLES = 4 * MAX_EXAMPLES  # of all replicas together, per forward pass of an evaluation
CACHE_BYTES = 2_000_000  # of the output of a linear layer in an evaluation, so that it stays in the processor's cache
Backward = Callable[[Tensor], Tensor]  # gradients of the logits (R, K, B) to those of the weights in one vector
RANDOM_LAYERS = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
    nn.RReLU,
)


def random_layer(network: nn.Module) -> str:
    """Return the class of a layer that draws random numbers in train mode; empty if there is none."""
    names = (type(module).__name__ for module in network.modules() if isinstance(module, RANDOM_LAYERS))
    depths = (type(module).__name__ for module in network.modules() if "StochasticDepth" in type(module).__name__)
    return next(names, "") or next(depths, "")


def network_incompatibility(network: nn.Module) -> str:
    """Return why copies of a network cannot be trained as one, as a clause; empty if they can."""
    if layer := random_layer(network):
        return f"the network has a random layer ({layer})"
    if not all(p.requires_grad for p in network.parameters()):
        return "some weights of the network are frozen"
    if len(list(network.named_parameters(remove_duplicate=False))) > len(list(network.parameters())):
        return "layers of the network share weights"
    return ""


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


class Replicas:
    """R networks of one architecture on one device.

    Their weights lie one after the other in :attr:`flat`, all replicas of a weight together, so that one operation
    updates all of them. Logits have the classes before the examples, (R, K, B), because on a processor a softmax over
    a last dimension of ten numbers takes several times as long.
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        self.count = len(networks)
        self.shapes = {name: value.shape for name, value in networks[0].named_parameters()}
        self._sizes = [self.count * shape.numel() for shape in self.shapes.values()]
        with torch.no_grad():
            by_network = [dict(network.named_parameters()) for network in networks]
            self.flat = torch.cat([weights[name].flatten() for name in self.shapes for weights in by_network])
            all_buffers = [dict(network.named_buffers()) for network in networks]
            self.buffers = {name: torch.stack([b[name] for b in all_buffers]) for name in all_buffers[0]}
        self.layers = linear_layers(networks[0])
        self.train_module = copy.deepcopy(networks[0]).to("meta").train()
        self.eval_module = copy.deepcopy(self.train_module).eval()

    def __len__(self) -> int:
        return self.count

    def for_another_thread(self) -> Replicas:
        """Return the same replicas with a module of their own, since a step sets the weights of it for a while."""
        replicas = copy.copy(self)
        replicas.train_module = copy.deepcopy(self.train_module)
        return replicas

    @property
    def weights(self) -> dict[str, Tensor]:
        """Weights by name, each (R, ...), in the memory of :attr:`flat`."""
        return self.views(self.flat)

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """Return the tensors (R, ...) by name in a vector that is laid out as :attr:`flat`."""
        pieces = torch.split(flat, self._sizes)
        return {
            name: piece.view(self.count, *shape)
            for (name, shape), piece in zip(self.shapes.items(), pieces, strict=True)
        }

    def spread(self, numbers: Tensor) -> Tensor:
        """Return numbers (R,) laid out as :attr:`flat`, each once for every weight of its replica."""
        return torch.cat([numbers.repeat_interleave(shape.numel()) for shape in self.shapes.values()])

    def forward(
        self, flat: Tensor, buffers: Mapping[str, Tensor], inputs: Tensor, streams: Sequence[int]
    ) -> tuple[Tensor, Backward]:
        """Return logits (R, K, B) in train mode, and the function that back-propagates from them.

        Running statistics among the ``buffers`` are updated in place.

        Args:
            flat: The weights, as :attr:`flat`.
            buffers: By name, (R, ...).
            inputs: (C, B, ...), the batches of C data streams.
            streams: The stream of each replica.
        """
        if self.layers:
            return self._mlp_forward(self.views(flat), inputs.flatten(2), streams)
        with torch.enable_grad():
            leaf = flat.detach().requires_grad_()
            logits = vmap(lambda w, b, x: functional_call(self.train_module, (w, b), (x,)))(
                self.views(leaf), dict(buffers), inputs[list(streams)]
            )
        return logits.detach().transpose(1, 2), lambda gradients: torch.autograd.grad(
            logits, leaf, gradients.transpose(1, 2)
        )[0]

    def _mlp_forward(
        self, weights: Mapping[str, Tensor], inputs: Tensor, streams: Sequence[int]
    ) -> tuple[Tensor, Backward]:
        """Linear layers with ReLU between them; inputs (C, B, D), everything after the first layer (R, units, B).

        For two small networks autograd takes as long as all operations together.
        """
        first = _FirstLayer(inputs, streams)
        activations = [torch.empty(0)]  # in the place of the inputs, which the first layer holds
        for number, name in enumerate(self.layers):
            weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"][..., None]
            units = torch.baddbmm(bias, weight, activations[-1]) if number else first.forward(weight) + bias
            activations.append(units.relu_() if number < len(self.layers) - 1 else units)

        def backward(gradients: Tensor) -> Tensor:
            by_name: dict[str, Tensor] = {}
            for number in range(len(self.layers) - 1, -1, -1):
                name, before, after = self.layers[number], activations[number], activations[number + 1]
                if number < len(self.layers) - 1:
                    gradients = gradients * (after > 0)
                by_name[f"{name}.bias"] = gradients.sum(2)
                if number:
                    by_name[f"{name}.weight"] = torch.bmm(gradients, before.transpose(1, 2))
                    gradients = torch.bmm(weights[f"{name}.weight"].transpose(1, 2), gradients)
                else:
                    by_name[f"{name}.weight"] = first.backward(gradients)
            return torch.cat([by_name[name].flatten() for name in self.shapes])

        return activations[-1], backward

    @torch.no_grad()
    def predict_logits(self, flat: Tensor, buffers: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """Return logits (R, K, N) of all replicas for the same inputs (N, ...), in eval mode."""
        weights = self.views(flat)
        if self.layers:
            units = max(weights[f"{name}.weight"].shape[1] for name in self.layers)
            size = max(32, CACHE_BYTES // (4 * self.count * units))
        else:
            input_bytes = max(1, self.count * inputs[:1].nbytes)
            size = max(1, min(MAX_EXAMPLES, MAX_TOTAL_EXAMPLES // self.count, MAX_INPUT_BYTES // input_bytes))
        pieces = torch.split(inputs, size)
        return torch.cat([self._eval_logits(weights, buffers, piece.to(flat.device)) for piece in pieces], dim=2)

    def _eval_logits(self, weights: Mapping[str, Tensor], buffers: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        if self.layers:
            return self._mlp_forward(weights, inputs.flatten(1)[None], [0] * self.count)[0]
        forward = vmap(lambda w, b: functional_call(self.eval_module, (w, b), (inputs,)))
        logits: Tensor = forward(dict(weights), dict(buffers))
        return logits.transpose(1, 2)

    def share(self, network: nn.Module, row: int, flat: Tensor, buffers: Mapping[str, Tensor]) -> None:
        """Make the weights and buffers of a network views of a row, so that it changes with the replica."""
        stack = {**self.views(flat), **buffers}
        for name, value in (*network.named_parameters(), *network.named_buffers()):
            value.data = stack[name][row]


class _FirstLayer:
    """First linear layer; neighbouring replicas with the same batch are multiplied with it as one large matrix."""

    def __init__(self, inputs: Tensor, streams: Sequence[int]) -> None:
        self.inputs = inputs
        self.runs = [(stream, len(list(group))) for stream, group in groupby(streams)]
        self.is_merged = 2 * len(self.runs) <= len(streams)
        self.replica_inputs = inputs if self.is_merged else inputs[list(streams)]  # (R, B, D) unless merged

    def forward(self, weight: Tensor) -> Tensor:
        """Return (R, units, B) for weights (R, units, D)."""
        if not self.is_merged:
            return torch.bmm(weight, self.replica_inputs.transpose(1, 2))
        parts = torch.split(weight.flatten(0, 1), [count * weight.shape[1] for _, count in self.runs])
        units = [part @ self.inputs[stream].T for part, (stream, _) in zip(parts, self.runs, strict=True)]
        return torch.cat(units).view(len(weight), weight.shape[1], -1)

    def backward(self, gradients: Tensor) -> Tensor:
        """Return the gradients of the weights, given those of the units (R, units, B)."""
        if not self.is_merged:
            return torch.bmm(gradients, self.replica_inputs)
        parts = torch.split(gradients.flatten(0, 1), [count * gradients.shape[1] for _, count in self.runs])
        of_weights = [part @ self.inputs[stream] for part, (stream, _) in zip(parts, self.runs, strict=True)]
        return torch.cat(of_weights).view(len(gradients), gradients.shape[1], -1)
