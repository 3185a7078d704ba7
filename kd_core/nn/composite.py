"""Networks composed of other networks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.base.seeds import generator

UNKNOWN = -1e4  # logit of a class outside a network's subset: its probability is 0


def with_trunk(trunk: nn.Module, head: nn.Module) -> nn.Sequential:
    """Return a network whose first layers may be shared with another one."""
    return nn.Sequential(OrderedDict(trunk=trunk, own=head))


class ClassSubset(nn.Module):
    """Network for a subset of the classes, with logits for all of them; the others have probability 0."""

    def __init__(self, network: nn.Module, known_classes: Sequence[int], classes: int) -> None:
        super().__init__()
        self.network, self.known_classes, self.classes = network, list(known_classes), classes

    def forward(self, inputs: Tensor) -> Tensor:
        subset: Tensor = self.network(inputs)
        logits = subset.new_full((subset.shape[0], self.classes), UNKNOWN)  # torch.export cannot trace len()
        logits[:, self.known_classes] = subset
        return logits


def in_known_classes(network: nn.Module, labels: Tensor) -> Tensor:
    """Return a mask (N,) of the examples whose ``labels`` (N,) are among the network's classes."""
    if not isinstance(network, ClassSubset):
        return torch.ones_like(labels, dtype=torch.bool)
    return torch.isin(labels, torch.tensor(network.known_classes, device=labels.device))


class EnsembleAverage(nn.Module):
    """Ensemble that averages the members' probabilities or their logits."""

    def __init__(self, members: Sequence[nn.Module], weights: Sequence[float] = (), *, of_logits: bool = False) -> None:
        super().__init__()
        self.members, self.weights = nn.ModuleList(members), tuple(weights)
        self.of_logits = of_logits

    def forward(self, inputs: Tensor) -> Tensor:
        average = average_logits if self.of_logits else average_probabilities
        return average([member(inputs) for member in self.members], self.weights)


class AnswerAverage(EnsembleAverage):
    """Ensemble that averages the members' probabilities of yes to every class."""

    def forward(self, inputs: Tensor) -> Tensor:
        return average_answers([member(inputs) for member in self.members], self.weights)


class MergedClassifiers(nn.Module):
    """Networks for different classes as one network for all of them.

    ``scales`` (temperatures) and ``shifts`` bring the members' logits to one scale.
    """

    def __init__(self, members: Sequence[nn.Module], scales: Sequence[float], shifts: Sequence[float]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.scales, self.shifts = tuple(scales), tuple(shifts)

    def forward(self, inputs: Tensor) -> Tensor:
        return merge_logits([member(inputs) for member in self.members], self.scales, self.shifts)


class LogitBias(nn.Module):
    """Network with a constant added to each logit."""

    def __init__(self, network: nn.Module, bias: Tensor) -> None:
        super().__init__()
        self.network = network
        self.bias: Tensor
        self.register_buffer("bias", bias)

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.network(inputs) + self.bias
        return logits


def prior_matching_bias(logits: Tensor, labels: Tensor, label: int) -> float:
    """Return the bias for class ``label`` of logits (N, K) with which it is predicted as often as it occurs.

    It corrects a class that was held out of training: Hinton, Vinyals & Dean 2015, section 3. For a class that never
    occurs negative infinity would be right; one less than the smallest margin is returned.
    """
    others = logits.clone()
    others[:, label] = -torch.inf
    margins = (others.max(1).values - logits[:, label]).sort().values
    count = int((labels == label).sum())
    return float(margins[count - 1] + margins[min(count, len(margins) - 1)]) / 2 if count else float(margins[0]) - 1


def average_probabilities(logits: Sequence[Tensor], weights: Sequence[float] = (), temperature: float = 1.0) -> Tensor:
    """Return logits (B, K) whose softmax at T is the weighted arithmetic mean of the teachers' softmax at T.

    Hinton, Vinyals & Dean 2015, section 2. The weights are relative to their sum; without any they are equal.
    """
    fractions = _fractions(logits, weights).log()
    log_p = torch.stack([F.log_softmax(member / temperature, dim=-1) for member in logits])
    return temperature * (log_p + fractions).logsumexp(0)


def average_answers(logits: Sequence[Tensor], weights: Sequence[float] = ()) -> Tensor:
    """Return logits (B, K) whose sigmoid is the weighted arithmetic mean of the teachers' sigmoids."""
    fractions, stacked = _fractions(logits, weights).log(), torch.stack(list(logits))
    yes, no = ((F.logsigmoid(sign * stacked) + fractions).logsumexp(0) for sign in (1, -1))
    return yes - no


def average_logits(logits: Sequence[Tensor], weights: Sequence[float] = ()) -> Tensor:
    """Return the weighted mean of logits (B, K), in which a teacher with large logits dominates."""
    return (torch.stack(list(logits)) * _fractions(logits, weights)).sum(0)


def merge_logits(logits: Sequence[Tensor], scales: Sequence[float], shifts: Sequence[float]) -> Tensor:
    """Return logits (B, K) for all classes from teachers of different ones, each divided by its scale and shifted.

    A class outside a teacher's subset has a logit far below all others, so the maximum over the teachers is taken.
    """
    calibrated = [member / scale + shift for member, scale, shift in zip(logits, scales, shifts, strict=True)]
    return torch.stack(calibrated).max(0).values


def _fractions(logits: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    raw = torch.tensor(list(weights) or [1.0] * len(logits), dtype=logits[0].dtype, device=logits[0].device)
    return (raw / raw.sum()).reshape(-1, *[1] * logits[0].dim())


def remaining_weights(weights: Sequence[float], drop: float, seed: int) -> list[float]:
    """Return weights of several teachers, each 0 with probability ``drop``, but at least one; they sum to 1.

    Son et al., "Densely Guided Knowledge Distillation using Multiple Teacher Assistants" (2021), section 3.2.
    """
    draws = torch.rand(len(weights), generator=generator(seed, "drop")).tolist()
    remaining = [0.0 if draw < min(drop, max(draws)) else weight for weight, draw in zip(weights, draws, strict=True)]
    return [weight / sum(remaining) for weight in remaining]


def update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move weights and buffers of a moving average towards those of ``network``, keeping the fraction ``decay``."""
    for mean, value in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, 1.0 - decay)
        else:
            mean.copy_(value)
