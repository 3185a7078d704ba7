"""Layers that draw random numbers in train mode."""

from __future__ import annotations

import torch

from kd_core.base.events import Step
from kd_core.config.run import from_flat
from kd_core.training.loop import Trainer

# The head of this network has a dropout.
DROPOUT = {
    "dataset": "glyphs", "teacher": "mlp", "student": "zoo", "student_network": "mobilenet_v3_small", "labelled": "64",
    "student_image_size": "32", "epochs": "2", "teacher_epochs": "0",
}  # fmt: skip


def test_a_run_with_dropout_can_be_repeated_and_resumed() -> None:
    config = from_flat(DROPOUT)
    torch.manual_seed(1)
    first = Trainer(config)
    events = []
    for event in first:
        events.append(event)
        if isinstance(event, Step) and event.step == 1:
            state = first.checkpoint()
    torch.manual_seed(2)
    assert list(Trainer(config)) == events
    assert list(Trainer(config, resume=state)) == events[-len(list(Trainer(config, resume=state))) :]
