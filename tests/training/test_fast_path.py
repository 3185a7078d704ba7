"""Fast paths that give the numbers of autograd, such as the manual MLP and closed-form losses."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from kd_core.base.events import Failed, Step
from kd_core.config.recipe import Recipe
from kd_core.config.run import RunConfig, from_flat
from kd_core.methods import LossInputs, LossPart, label_part, total_loss
from kd_core.methods.soft_targets import SoftTargets
from kd_core.training.loop import Trainer
from kd_core.training.optim import OPTIMISER_CLASSES, Optimiser
from kd_core.training.phase import PhaseTrainer
from kd_core.training.vectorized.mlp import ManualMLP

With = Callable[..., RunConfig]


def mlp() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 7), nn.ReLU(), nn.Linear(7, 5))


def test_the_manual_mlp_has_bitwise_the_logits_and_gradients_of_autograd() -> None:
    network, reference = mlp(), mlp()
    manual = ManualMLP.from_network(network)
    assert manual is not None
    inputs, gradient = torch.randn(6, 3, 4), torch.randn(6, 5)
    logits = reference(inputs)
    logits.backward(gradient)
    with torch.no_grad():
        assert torch.equal(manual.forward(inputs), logits)
        manual.backward(gradient)
    for ours, theirs in zip(network.parameters(), reference.parameters(), strict=True):
        assert torch.equal(ours.grad, theirs.grad)


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)),
        nn.Sequential(nn.Linear(4, 3), nn.ReLU()),
        nn.Sequential(nn.Linear(4, 3, bias=False)),
        nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.Linear(3, 2)),
        nn.Sequential(nn.Linear(4, 3)).requires_grad_(False),
        nn.Linear(4, 3),
    ],
)
def test_other_networks_have_no_manual_mlp(network: nn.Module) -> None:
    assert ManualMLP.from_network(network) is None


@pytest.mark.parametrize("name", list(OPTIMISER_CLASSES))
def test_an_update_is_bitwise_that_of_torch(name: str) -> None:
    ours, theirs = mlp(), mlp()
    recipe = Recipe(optimiser=name, learning_rate=0.1, weight_decay=0.01)
    optimiser = Optimiser(recipe, list(ours.parameters()), 0.1)
    more = {"momentum": 0.9} if name == "sgd" else {}
    expected = OPTIMISER_CLASSES[name](theirs.parameters(), lr=0.1, weight_decay=0.01, fused=True, **more)
    for step in range(6):
        optimiser.rate = expected.param_groups[0]["lr"] = 0.1 / (step + 1)
        for weight, expected_weight in zip(ours.parameters(), theirs.parameters(), strict=True):
            weight.grad = torch.randn_like(weight)
            expected_weight.grad = weight.grad.clone()
        optimiser.step()
        expected.step()
        if step == 3:  # saving and loading the state changes nothing
            optimiser.load({name: value.clone() for name, value in optimiser.state_tensors().items()})
    for weight, expected_weight in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(weight, expected_weight)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("temperature", [0.5, 4.0, 20.0])
def test_the_closed_form_gives_the_parts_and_the_gradient_of_autograd(alpha: float, temperature: float) -> None:
    torch.manual_seed(1)
    student = torch.randn(8, 7, requires_grad=True)
    signals = LossInputs(student, torch.randint(7, (8,)), 3 * torch.randn(8, 7))
    method = SoftTargets(alpha=alpha, temperature=temperature)
    expected_parts = method.parts(signals)
    (expected_gradient,) = torch.autograd.grad(total_loss(expected_parts), student)
    with torch.no_grad():
        parts, gradient = method.closed_form(signals)
    assert [(part.name, part.weight) for part in parts] == [(part.name, part.weight) for part in expected_parts]
    for part, other in zip(parts, expected_parts, strict=True):
        torch.testing.assert_close(part.value, other.value.detach(), rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("options", [{"form": "ce"}, {"mean": "element"}, {"squared": False}])
def test_other_variants_of_the_loss_have_no_closed_form(options: dict) -> None:
    signals = LossInputs(torch.randn(2, 3), torch.tensor([0, 1]), torch.randn(2, 3))
    assert SoftTargets(**options).closed_form(signals) is None


def test_the_label_loss_is_cross_entropy_and_so_is_its_gradient() -> None:
    logits = torch.randn(6, 4, requires_grad=True)
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    ours = label_part(logits, labels).value
    expected = nn.functional.cross_entropy(logits, labels)
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
def test_steps_taken_at_once_give_the_same_events_as_single_steps(small_with: With, flat: dict[str, str]) -> None:
    config = small_with(**flat) if "dataset" not in flat else from_flat({"teacher_epochs": "1", **flat})
    trainer = Trainer(config)
    trainer.chunk_seconds = 1e9
    assert list(trainer) == list(Trainer(config))


def test_a_loss_that_is_not_finite_is_reported_at_its_step_when_several_are_taken_at_once(
    small: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = SoftTargets.closed_form

    def broken(self: SoftTargets, signals: LossInputs) -> tuple[list[LossPart], torch.Tensor]:
        parts, gradient = original(self, signals)
        has_example = bool((signals.rows == 7).any())
        return parts, gradient * (math.nan if has_example and signals.epoch == 1 else 1.0)

    monkeypatch.setattr(SoftTargets, "closed_form", broken)

    def train(chunk_seconds: float) -> tuple[list, dict]:
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

    def recording_steps(self: PhaseTrainer, done: int, most: int = 1) -> list[Step]:
        events = original(self, done, most)
        counts.append(len(events))
        return events

    monkeypatch.setattr(PhaseTrainer, "train_steps", recording_steps)
    training = Trainer(small)
    training.chunk_seconds = 1e9
    list(training)
    assert max(counts) == max(training._per_epoch.values()) - (1 if len(training._per_epoch) < 2 else 0)
