"""Networks made of networks: with a shared trunk, for some of the classes, averaged, joined, corrected."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

UNKNOWN = -1e4  # logit of a class that a network does not know: its probability is 0


def with_trunk(trunk: nn.Module, head: nn.Module) -> nn.Sequential:
    """A network whose first layers may belong to another one, too."""
    return nn.Sequential(OrderedDict(trunk=trunk, own=head))


class ClassSubset(nn.Module):
    """A network for ``known`` classes (positions), seen as one for all of them: it is sure of none of the others."""

    def __init__(self, network: nn.Module, known: Sequence[int], classes: int) -> None:
        super().__init__()
        self.network, self.known_classes, self.classes = network, list(known), classes

    def forward(self, inputs: Tensor) -> Tensor:
        own: Tensor = self.network(inputs)
        logits = own.new_full((len(own), self.classes), UNKNOWN)
        logits[:, self.known_classes] = own
        return logits


def in_known_classes(network: nn.Module, labels: Tensor) -> Tensor:
    """Which examples (N,) a network can be judged by: those of the classes that it knows, out of ``labels`` (N,)."""
    if not isinstance(network, ClassSubset):
        return torch.ones_like(labels, dtype=torch.bool)
    return torch.isin(labels, torch.tensor(network.known_classes, device=labels.device))


class EnsembleAverage(nn.Module):
    """Logits whose softmax is the average of the members' probabilities; or the average of their logits."""

    def __init__(self, members: Sequence[nn.Module], weights: Sequence[float] = (), *, of_logits: bool = False) -> None:
        super().__init__()
        self.members, self.weights = nn.ModuleList(members), tuple(weights)
        self.average = average_logits if of_logits else average_probabilities

    def forward(self, inputs: Tensor) -> Tensor:
        return self.average([member(inputs) for member in self.members], self.weights)


class MergedClassifiers(nn.Module):
    """Networks that know different classes as one that knows all of theirs; ``scales`` are their temperatures and
    ``shifts`` are added to what they say, so that the loudest does not win."""

    def __init__(self, members: Sequence[nn.Module], scales: Sequence[float], shifts: Sequence[float]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.scales, self.shifts = tuple(scales), tuple(shifts)

    def forward(self, inputs: Tensor) -> Tensor:
        return merge_logits([member(inputs) for member in self.members], self.scales, self.shifts)


class LogitBias(nn.Module):
    """A network with a constant added to each logit."""

    def __init__(self, network: nn.Module, bias: Tensor) -> None:
        super().__init__()
        self.network = network
        self.bias: Tensor
        self.register_buffer("bias", bias)

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.network(inputs) + self.bias
        return logits


def prior_matching_bias(logits: Tensor, labels: Tensor, label: int) -> float:
    """What must be added to the logits (N, K) of class ``label`` so that it is answered as often as it occurs.

    The correction of a class that was missing in training: Hinton, Vinyals & Dean 2015, section 3. Where it occurs
    never, negative infinity would be right; the lowest of the margins is returned.
    """
    others = logits.clone()
    others[:, label] = -torch.inf
    margins = (others.max(1).values - logits[:, label]).sort().values
    count = int((labels == label).sum())
    return float(margins[count - 1] + margins[min(count, len(margins) - 1)]) / 2 if count else float(margins[0]) - 1


def average_probabilities(logits: Sequence[Tensor], weights: Sequence[float] = (), temperature: float = 1.0) -> Tensor:
    """Logits (B, K) whose softmax at T is the weighted arithmetic mean of the teachers' softmax at T.

    Hinton, Vinyals & Dean 2015, section 2. The weights are relative to their sum; without any they are equal.
    """
    shares = _shares(logits, weights).log()
    log_p = torch.stack([F.log_softmax(own / temperature, dim=1) for own in logits])
    return temperature * (log_p + shares).logsumexp(0)


def average_logits(logits: Sequence[Tensor], weights: Sequence[float] = ()) -> Tensor:
    """Weighted mean (B, K): the geometric mean of the probabilities, which a teacher with large logits dominates."""
    return (torch.stack(list(logits)) * _shares(logits, weights)).sum(0)


def merge_logits(logits: Sequence[Tensor], scales: Sequence[float], shifts: Sequence[float]) -> Tensor:
    """Logits (B, K) of teachers that know different classes: each divided by its scale and shifted, then side by side.

    A class that a teacher does not know has a logit far below all others there, so the largest one is its own
    teacher's.
    """
    calibrated = [own / scale + shift for own, scale, shift in zip(logits, scales, shifts, strict=True)]
    return torch.stack(calibrated).max(0).values


def _shares(logits: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    raw = torch.tensor(list(weights) or [1.0] * len(logits), dtype=logits[0].dtype, device=logits[0].device)
    return (raw / raw.sum())[:, None, None]
