"""Cost of a network."""

import torch
from torch import nn

from kd_core.nn.cost import NetworkCost, measure


def test_a_cost_is_counted_as_by_hand_and_draws_no_random_number() -> None:
    before = torch.get_rng_state()
    cost = measure(
        lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 5)), (1, 4, 4)
    )
    assert torch.equal(torch.get_rng_state(), before)
    parameters = (2 * 9 + 2) + 2 * 2 + (8 * 5 + 5)
    flops = 2 * (4 * 2 * 9) + 2 * (8 * 5)  # of the convolution at 2 x 2 places and the linear layer
    buffers = 4 * 2 * 2 + 8  # running mean and variance in float32, the number of batches in int64
    assert cost == NetworkCost(parameters, flops, 4 * parameters + buffers)
