"""Detection of duplicate examples, which must not end up in two different splits."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def first_occurrences(inputs: Tensor, labels: Tensor) -> Tensor:
    """Return for each example the position of the first one with the same input and label.

    Args:
        inputs: Inputs (N, ...).
        labels: Labels (N,).

    Returns:
        Positions (N,) int64.
    """
    positions: dict[tuple[int, bytes], int] = {}  # by label and digest of the input
    rows = inputs.flatten(1).contiguous().numpy()
    first = [
        positions.setdefault((label, hashlib.blake2b(row, digest_size=16).digest()), position)
        for position, (row, label) in enumerate(zip(rows, labels.tolist(), strict=True))
    ]
    return torch.tensor(first, dtype=torch.int64)
