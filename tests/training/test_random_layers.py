"""Layers that draw random numbers in train mode."""

from __future__ import annotations

import torch
from torch import nn

from kd_core.base.events import Step
from kd_core.config.run import RunConfig
from kd_core.training.loop import Trainer


def test_a_run_with_dropout_can_be_repeated_and_resumed() -> None:
    student = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 2))
    config = RunConfig(dataset="moons", student=student, labelled=64, epochs=2, teacher_epochs=0)
    torch.manual_seed(1)
    first = Trainer(config)
    events = []
    for event in first:
        events.append(event)
        if isinstance(event, Step) and event.step == 1:
            state = first.checkpoint()
    torch.manual_seed(2)
    assert list(Trainer(config)) == events
    resumed = list(Trainer(config, resume=state))
    assert resumed == events[-len(resumed) :]
