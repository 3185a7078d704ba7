"""How many examples at once a device has the memory for."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from kd_core.learning import Learning
from kd_core.order import Order


@torch.no_grad()
def largest_batch(learning: Sequence[Learning], order: Order, size: int) -> int:
    """After the device ran out of memory: the largest batch of ``size``, half, a quarter, … of it that fits; 0 if none
    does. No weight changes."""
    buffers = [(value, value.clone()) for own in learning for value in own.network.buffers()]
    examples = order.examples
    while size:
        try:
            if examples.device.type == "cuda":
                torch.cuda.empty_cache()
            for own in learning:
                own.forget()
            batch = examples.batch(order.rows(learning[0].learner.sees, 0)[:size], 0)
            for own in learning:
                own.forward(batch, 0)
            for own in learning:
                own.differentiate(own.loss(batch, 0, 0))
        except torch.OutOfMemoryError:
            size //= 2
        else:
            break
    for value, before in buffers:
        value.copy_(before)
    return size
