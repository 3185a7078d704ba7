"""Batches of one size for the functions of files, as large as the one with which they were tried."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

MAX_EXAMPLES = 64  # what a file computes for a larger batch has not been tried within limits


def compute_in_batches(compute: Callable[[Tensor], Tensor], inputs: Tensor, fixed: int = 0) -> Tensor:
    """Return the outputs of a function for inputs (N, ...), computed for at most :data:`MAX_EXAMPLES` at once.

    Args:
        compute: The function.
        inputs: The inputs.
        fixed: The only size of a batch that the function takes, 0 for any; the last batch is then filled up.
    """
    padding = -len(inputs) % fixed if fixed else 0
    padded = torch.cat([inputs, inputs[:1].expand(padding, *inputs.shape[1:])]) if padding else inputs
    return torch.cat([compute(batch) for batch in torch.split(padded, fixed or MAX_EXAMPLES)])[: len(inputs)]
