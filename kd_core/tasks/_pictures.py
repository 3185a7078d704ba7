"""Outputs for one image, with which tasks show how networks learn."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from kd_core.tasks import SplitData

SEARCHED = 8  # images of the validation set


def richest_image(labels: Tensor) -> int:
    """Return which of the first examples has most different labels; these are (N, ..., D), D numbers per place."""
    places = labels[:SEARCHED].flatten(1, -2)
    return max(range(len(places)), key=lambda image: len(torch.unique(places[image], dim=0)))


def place_name(noun: str, row: int, height: int, width: int) -> str:
    """Return the image and the place in it of a row, of which every image has height · width; counted from 1."""
    image, place = divmod(row, height * width)
    return f"image {image + 1}, {noun} in row {place // width + 1}, column {place % width + 1}"


@torch.no_grad()
def outputs_of_image(
    image: int,
    networks: Mapping[str, nn.Module],
    teacher: tuple[str, nn.Module] | None,
    data: SplitData,
    *,
    is_first: bool,
) -> dict[str, Tensor]:
    """Return the outputs for a validation image by role, float32, on the CPU.

    Those of a teacher do not change, and are there only at the first evaluation.
    """
    inputs = data.validation.inputs[image : image + 1]
    present = {teacher[0]: teacher[1], **networks} if teacher and is_first else networks
    outputs = {}
    for role, network in present.items():
        was_training = network.training
        network.eval()
        device = next((parameter.device for parameter in network.parameters()), inputs.device)
        outputs[role] = network(inputs.to(device))[0].float().cpu()
        network.train(was_training)
    return outputs
