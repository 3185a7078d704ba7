"""Several teachers as one: pure functions of their logits, each (B, K)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


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


def joined(logits: Sequence[Tensor], scales: Sequence[float], shifts: Sequence[float]) -> Tensor:
    """Logits (B, K) of teachers that know different classes: each divided by its scale and shifted, then side by side.

    A class that a teacher does not know has a logit far below all others there, so the largest one is its own
    teacher's.
    """
    calibrated = [own / scale + shift for own, scale, shift in zip(logits, scales, shifts, strict=True)]
    return torch.stack(calibrated).max(0).values


def _shares(logits: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    raw = torch.tensor(list(weights) or [1.0] * len(logits), dtype=logits[0].dtype, device=logits[0].device)
    return (raw / raw.sum())[:, None, None]
