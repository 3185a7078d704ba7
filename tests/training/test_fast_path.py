"""Several steps taken at once, and the fast path, compared with single plain steps."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from kd_core.base.events import Event, Failed, Step
from kd_core.config.run import RunConfig, from_flat
from kd_core.methods import LossInputs, LossPart, label_part
from kd_core.methods.soft_targets import SoftTargets
from kd_core.training.loop import Trainer
from kd_core.training.phase import PhaseTrainer

With = Callable[..., RunConfig]


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_label_loss_is_cross_entropy_and_so_is_its_gradient(smoothing: float) -> None:
    logits = torch.randn(6, 4, requires_grad=True)
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    ours = label_part(logits, labels, smoothing=smoothing).value
    expected = nn.functional.cross_entropy(logits, labels, label_smoothing=smoothing)
    torch.testing.assert_close(ours, expected, rtol=1e-6, atol=0)
    (gradient,), (expected_gradient,) = torch.autograd.grad(ours, logits), torch.autograd.grad(expected, logits)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "flat",
    [
        {},
        {"optimiser": "sgd", "schedule": "cosine", "clip": "0.5", "ema": "0.9"},
        {"student": "cnn", "dataset": "digits", "labelled": "150", "epochs": "2", "batch_size": "16"},
        {"scheme": "mutual", "epochs": "4"},
        {"method": "dkd", "dataset": "digits", "labelled": "100", "epochs": "3", "teacher_epochs": "1"},
    ],
    ids=str,
)
@pytest.mark.slow
def test_steps_taken_at_once_give_the_same_events_as_single_steps(small_with: With, flat: dict[str, str]) -> None:
    config = small_with(**flat) if "dataset" not in flat else from_flat({"teacher_epochs": "1", **flat})
    trainer = Trainer(config)
    trainer.chunk_seconds = 1e9
    assert list(trainer) == list(Trainer(config))


def test_a_loss_that_is_not_finite_is_reported_at_its_step_when_several_are_taken_at_once(
    small: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, batches = SoftTargets.parts, []

    def broken(self: SoftTargets, signals: LossInputs) -> list[LossPart]:
        if not signals.student_logits.requires_grad:  # a check before the first step
            return original(self, signals)
        batch = signals.teacher_logits[0].tolist()
        if batch not in batches:
            batches.append(batch)
        # From the fifth batch on there is a part of value 0 whose gradient is not finite.
        odd = signals.student_logits.sum() * 0
        return [*original(self, signals), LossPart("odd", 1.0, odd.sqrt() if batches.index(batch) >= 4 else odd)]

    monkeypatch.setattr(SoftTargets, "parts", broken)
    monkeypatch.setattr(SoftTargets, "vectorized_options", frozenset())  # so that the parts are asked for

    def train(chunk_seconds: float) -> tuple[list, dict]:
        batches.clear()
        training = Trainer(small)
        training.chunk_seconds = chunk_seconds
        events = list(training)
        return events, training.networks["student"].state_dict()

    events, weights = train(1e9)
    expected, expected_weights = train(0.0)
    assert events == expected
    assert any(isinstance(event, Failed) and event.part == "the gradient" for event in events)
    assert all(torch.equal(weights[name], expected_weights[name]) for name in weights)


def test_a_recorded_adjustment_is_replayed_at_its_step_when_several_are_taken_at_once(small: RunConfig) -> None:
    training, events = Trainer(small), []
    for event in training:
        events.append(event)
        if isinstance(event, Step) and (event.phase, event.step) == ("students", 2):
            training.adjust(temperature=9.0)
    changes = [event for event in events if event.kind == "adjusted"]
    again = Trainer(small, adjustments=changes)
    again.chunk_seconds = 1e9
    assert list(again) == events


def test_steps_taken_at_once_end_with_the_epoch(small: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    original = PhaseTrainer.train_steps

    def recording_steps(self: PhaseTrainer, done: int, most: int = 1) -> tuple[int, list[Event]]:
        count, events = original(self, done, most)
        counts.append(count)
        return count, events

    monkeypatch.setattr(PhaseTrainer, "train_steps", recording_steps)
    training = Trainer(small)
    training.chunk_seconds = 1e9
    list(training)
    assert max(counts) == max(training._per_epoch.values()) - (1 if len(training._per_epoch) < 2 else 0)
