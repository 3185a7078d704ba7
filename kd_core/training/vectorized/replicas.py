"""R networks of one architecture as one network: their weights stacked, their answers computed together."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby, pairwise

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from kd_core.nn.inference import MAX_EXAMPLES, MAX_INPUT_BYTES
from kd_core.training.vectorized.mlp import linear_layers

MAX_TOTAL_EXAMPLES = 4 * MAX_EXAMPLES  # examples of all replicas together per forward pass where nothing is learned
CACHE_BYTES = 2_000_000  # bytes of what linear layers give at once: as much as stays near the processor
RANDOM_LAYERS = (nn.modules.dropout._DropoutNd, nn.RReLU)
Backward = Callable[[Tensor], dict[str, Tensor]]  # the slopes of the logits (R, K, B) to those of the weights (R, ...)


def network_incompatibility(network: nn.Module) -> str:
    """Why copies of a network cannot be trained as one, as a clause; empty if they can."""
    for module in network.modules():
        if isinstance(module, RANDOM_LAYERS) or "StochasticDepth" in type(module).__name__:
            return f"the network leaves something out by chance ({type(module).__name__})"
    if not all(p.requires_grad for p in network.parameters()):
        return "some weights of the network are frozen"
    return ""


class Replicas:
    """``weights`` and ``buffers`` by name, each (R, ...), of ``networks`` of one architecture on one device.

    Logits have the classes before the examples, (R, K, B): a softmax over the last dimension of ten numbers takes
    twenty times as long on a processor.
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
        self, weights: Mapping[str, Tensor], buffers: Mapping[str, Tensor], inputs: Tensor, courses: Sequence[int]
    ) -> tuple[Tensor, Backward]:
        """Logits (R, K, B) while learning, and the way back from them. Inputs are (C, B, ...), one batch for each of C
        ``courses``, and those say which of them each replica sees.

        Running statistics among the ``buffers`` are brought up to date in place.
        """
        if self.layers:
            return _dense(self.layers, weights, inputs.flatten(2), courses)
        inputs = inputs[list(courses)]

        leaves = {name: value.detach().requires_grad_() for name, value in weights.items()}
        with torch.enable_grad():
            logits = vmap(lambda w, b, x: functional_call(self.train_module, (w, b), (x,)))(
                leaves, dict(buffers), inputs
            )

        def back(slopes: Tensor) -> dict[str, Tensor]:
            found = torch.autograd.grad(logits, list(leaves.values()), slopes.transpose(1, 2))
            # In the layout of the weights: a fused optimiser walks through both alike.
            return {name: slope.contiguous() for name, slope in zip(leaves, found, strict=True)}

        return logits.detach().transpose(1, 2), back

    @torch.no_grad()
    def predict_logits(self, weights: Mapping[str, Tensor], buffers: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """Logits (R, K, N) of all replicas for the same inputs (N, ...), in eval mode."""
        count, device = len(self), next(iter(weights.values())).device
        size = max(
            1, min(MAX_EXAMPLES, MAX_TOTAL_EXAMPLES // count, MAX_INPUT_BYTES // max(1, count * inputs[:1].nbytes))
        )
        if self.layers:
            size = max(32, CACHE_BYTES // (4 * count * max(weights[f"{name}.weight"].shape[1] for name in self.layers)))
        return torch.cat(
            [self._answers(weights, buffers, piece.to(device)) for piece in torch.split(inputs, size)], dim=2
        )

    def _answers(self, weights: Mapping[str, Tensor], buffers: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        if not self.layers:
            own = vmap(lambda w, b: functional_call(self.eval_module, (w, b), (inputs,)))
            found: Tensor = own(dict(weights), dict(buffers))
            return found.transpose(1, 2)
        names, values = self.layers, inputs.flatten(1).T
        first = weights[f"{names[0]}.weight"]
        hidden = (first.flatten(0, 1) @ values).view(*first.shape[:2], -1) + weights[f"{names[0]}.bias"][..., None]
        for name in names[1:]:
            hidden = torch.baddbmm(weights[f"{name}.bias"][..., None], weights[f"{name}.weight"], hidden.relu_())
        return hidden

    def state(self, row: int, weights: Mapping[str, Tensor], buffers: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """One replica in the form of a network's ``state_dict``."""
        kept = self.eval_module.state_dict().keys()
        return {name: value[row].clone() for name, value in {**weights, **buffers}.items() if name in kept}


def _dense(
    names: Sequence[str], weights: Mapping[str, Tensor], inputs: Tensor, courses: Sequence[int]
) -> tuple[Tensor, Backward]:
    """Linear layers with ReLUs between them; inputs (C, B, D), everything further on (R, units, B)."""
    first = _Shared(inputs, courses)
    seen = [torch.empty(0)]
    for number, name in enumerate(names):
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"][..., None]
        units = torch.baddbmm(bias, weight, seen[-1]) if number else first.forward(weight) + bias
        seen.append(units.relu_() if number < len(names) - 1 else units)

    def back(slopes: Tensor) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for (before, after), name in zip(reversed(list(pairwise(seen))), reversed(names), strict=True):
            if name != names[-1]:
                slopes = torch.ops.aten.threshold_backward(slopes, after, 0)
            found[f"{name}.bias"] = slopes.sum(2)
            if name == names[0]:
                found[f"{name}.weight"] = first.back(slopes)
            else:
                found[f"{name}.weight"] = torch.bmm(slopes, before.transpose(1, 2))
                slopes = torch.bmm(weights[f"{name}.weight"].transpose(1, 2), slopes)
        return {name: found[name] for name in weights}

    return seen[-1], back


class _Shared:
    """The first layer: replicas that stand together and see the same batch multiply it as one large matrix."""

    def __init__(self, inputs: Tensor, courses: Sequence[int]) -> None:
        self.inputs = inputs
        self.runs = [(course, len(list(group))) for course, group in groupby(courses)]
        self.is_large = 2 * len(self.runs) <= len(courses)
        self.own = inputs if self.is_large else inputs[list(courses)]  # (R, B, D) where each has its own

    def forward(self, weight: Tensor) -> Tensor:
        """(R, units, B) of weights (R, units, D)."""
        if not self.is_large:
            return torch.bmm(weight, self.own.transpose(1, 2))
        parts = torch.split(weight.flatten(0, 1), [count * weight.shape[1] for _, count in self.runs])
        made = [part @ self.inputs[course].T for part, (course, _) in zip(parts, self.runs, strict=True)]
        return torch.cat(made).view(len(weight), weight.shape[1], -1)

    def back(self, slopes: Tensor) -> Tensor:
        """The slopes of the weights, given those of the units (R, units, B)."""
        if not self.is_large:
            return torch.bmm(slopes, self.own)
        parts = torch.split(slopes.flatten(0, 1), [count * slopes.shape[1] for _, count in self.runs])
        made = [part @ self.inputs[course] for part, (course, _) in zip(parts, self.runs, strict=True)]
        return torch.cat(made).view(len(slopes), slopes.shape[1], -1)
