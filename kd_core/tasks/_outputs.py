"""Outputs of a network for all inputs of a split."""

from __future__ import annotations

import torch
from torch import Tensor, nn

BATCH = 1024  # examples per forward pass


@torch.no_grad()
def outputs_of(network: nn.Module, inputs: Tensor) -> Tensor:
    """Return the outputs (N, ...) of a network in eval mode, in float32 on the CPU."""
    was_training = network.training
    network.eval()
    device = next((parameter.device for parameter in network.parameters()), inputs.device)
    outputs = [network(batch.to(device)).float().cpu() for batch in torch.split(inputs, BATCH)]
    network.train(was_training)
    return torch.cat(outputs)
