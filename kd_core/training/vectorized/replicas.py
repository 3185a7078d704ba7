"""Stacked weights of R replicas of one network, with forward and backward pass."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby, pairwise

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from kd_core.nn.inference import MAX_EXAMPLES, MAX_INPUT_BYTES
from kd_core.training.vectorized.mlp import linear_layers

MAX_TOTAL_EXAMPLES = 4 * MAX_EXAMPLES  # of all replicas together, per forward pass of an evaluation
CACHE_BYTES = 2_000_000  # of the output of a linear layer in an evaluation, so that it stays in the processor's cache
RANDOM_LAYERS = (nn.modules.dropout._DropoutNd, nn.RReLU)
Backward = Callable[[Tensor], dict[str, Tensor]]  # gradients of the logits (R, K, B) to those of the weights (R, ...)


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
    return ""


class Replicas:
    """Stacked ``weights`` and ``buffers`` by name, each (R, ...), of R networks of one architecture on one device.

    Logits have the classes before the examples, (R, K, B), because on a processor a softmax over a last dimension of
    ten numbers takes twenty times as long.
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        with torch.no_grad():
            weights, buffers = stack_module_state(list(networks))
        self.weights: dict[str, Tensor] = {name: value.detach().contiguous() for name, value in weights.items()}
        self.buffers: dict[str, Tensor] = {name: value.detach().contiguous() for name, value in buffers.items()}
        self.layers = linear_layers(networks[0])
        self.train_module = copy.deepcopy(networks[0]).to("meta").train()
        self.eval_module = copy.deepcopy(self.train_module).eval()

    def __len__(self) -> int:
        return len(next(iter(self.weights.values())))

    def forward(
        self, weights: Mapping[str, Tensor], buffers: Mapping[str, Tensor], inputs: Tensor, streams: Sequence[int]
    ) -> tuple[Tensor, Backward]:
        """Return logits (R, K, B) in train mode, and the function that back-propagates from them.

        Running statistics among the ``buffers`` are updated in place.

        Args:
            weights: By name, (R, ...).
            buffers: By name, (R, ...).
            inputs: (C, B, ...), the batches of C data streams.
            streams: The stream of each replica.
        """
        if self.layers:
            return _mlp_forward(self.layers, weights, inputs.flatten(2), streams)
        inputs = inputs[list(streams)]

        leaves = {name: value.detach().requires_grad_() for name, value in weights.items()}
        with torch.enable_grad():
            logits = vmap(lambda w, b, x: functional_call(self.train_module, (w, b), (x,)))(
                leaves, dict(buffers), inputs
            )

        def backward(gradients: Tensor) -> dict[str, Tensor]:
            weight_gradients = torch.autograd.grad(logits, list(leaves.values()), gradients.transpose(1, 2))
            # A fused optimiser reads weights and gradients in the same memory layout.
            return {name: gradient.contiguous() for name, gradient in zip(leaves, weight_gradients, strict=True)}

        return logits.detach().transpose(1, 2), backward

    @torch.no_grad()
    def predict_logits(self, weights: Mapping[str, Tensor], buffers: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """Return logits (R, K, N) of all replicas for the same inputs (N, ...), in eval mode."""
        count, device = len(self), next(iter(weights.values())).device
        if self.layers:
            units = max(weights[f"{name}.weight"].shape[1] for name in self.layers)
            size = max(32, CACHE_BYTES // (4 * count * units))
        else:
            input_bytes = max(1, count * inputs[:1].nbytes)
            size = max(1, min(MAX_EXAMPLES, MAX_TOTAL_EXAMPLES // count, MAX_INPUT_BYTES // input_bytes))
        return torch.cat(
            [self._eval_logits(weights, buffers, piece.to(device)) for piece in torch.split(inputs, size)], dim=2
        )

    def _eval_logits(self, weights: Mapping[str, Tensor], buffers: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        if not self.layers:
            forward = vmap(lambda w, b: functional_call(self.eval_module, (w, b), (inputs,)))
            logits: Tensor = forward(dict(weights), dict(buffers))
            return logits.transpose(1, 2)
        names, columns = self.layers, inputs.flatten(1).T
        first = weights[f"{names[0]}.weight"]
        hidden = (first.flatten(0, 1) @ columns).view(*first.shape[:2], -1) + weights[f"{names[0]}.bias"][..., None]
        for name in names[1:]:
            hidden = torch.baddbmm(weights[f"{name}.bias"][..., None], weights[f"{name}.weight"], hidden.relu_())
        return hidden

    def state(self, row: int, weights: Mapping[str, Tensor], buffers: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return one replica in the form of a network's ``state_dict``."""
        names = self.eval_module.state_dict().keys()
        return {name: value[row].clone() for name, value in {**weights, **buffers}.items() if name in names}


def _mlp_forward(
    names: Sequence[str], weights: Mapping[str, Tensor], inputs: Tensor, streams: Sequence[int]
) -> tuple[Tensor, Backward]:
    """Linear layers with ReLU between them; inputs (C, B, D), everything after the first layer (R, units, B)."""
    first = _FirstLayer(inputs, streams)
    activations = [torch.empty(0)]  # in the place of the inputs, which the first layer holds
    for number, name in enumerate(names):
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"][..., None]
        units = torch.baddbmm(bias, weight, activations[-1]) if number else first.forward(weight) + bias
        activations.append(units.relu_() if number < len(names) - 1 else units)

    def backward(gradients: Tensor) -> dict[str, Tensor]:
        by_name: dict[str, Tensor] = {}
        for (before, after), name in zip(reversed(list(pairwise(activations))), reversed(names), strict=True):
            if name != names[-1]:
                gradients = torch.ops.aten.threshold_backward(gradients, after, 0)
            by_name[f"{name}.bias"] = gradients.sum(2)
            if name == names[0]:
                by_name[f"{name}.weight"] = first.backward(gradients)
            else:
                by_name[f"{name}.weight"] = torch.bmm(gradients, before.transpose(1, 2))
                gradients = torch.bmm(weights[f"{name}.weight"].transpose(1, 2), gradients)
        return {name: by_name[name] for name in weights}

    return activations[-1], backward


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
