"""The shorter ways to the same numbers: by hand, in closed form, several steps at once."""

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


def test_a_chain_answers_and_differentiates_as_autograd_does_to_the_bit() -> None:
    by_hand, recorded = mlp(), mlp()
    chain = ManualMLP.from_network(by_hand)
    assert chain is not None
    inputs, slope = torch.randn(6, 3, 4), torch.randn(6, 5)
    logits = recorded(inputs)
    logits.backward(slope)
    with torch.no_grad():
        assert torch.equal(chain.forward(inputs), logits)
        chain.backward(slope)
    for ours, theirs in zip(by_hand.parameters(), recorded.parameters(), strict=True):
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
def test_no_other_network_is_taken_for_a_chain(network: nn.Module) -> None:
    assert ManualMLP.from_network(network) is None


@pytest.mark.parametrize("name", list(OPTIMISER_CLASSES))
def test_an_update_is_that_of_torch_to_the_bit(name: str) -> None:
    ours, theirs = mlp(), mlp()
    recipe = Recipe(optimiser=name, learning_rate=0.1, weight_decay=0.01)
    optimiser = Optimiser(recipe, list(ours.parameters()), 0.1)
    more = {"momentum": 0.9} if name == "sgd" else {}
    expected = OPTIMISER_CLASSES[name](theirs.parameters(), lr=0.1, weight_decay=0.01, fused=True, **more)
    for step in range(6):
        optimiser.rate = expected.param_groups[0]["lr"] = 0.1 / (step + 1)
        for mine, its in zip(ours.parameters(), theirs.parameters(), strict=True):
            mine.grad = torch.randn_like(mine)
            its.grad = mine.grad.clone()
        optimiser.step()
        expected.step()
        if step == 3:  # what is stored and read back goes on as it was
            optimiser.load({name: value.clone() for name, value in optimiser.state_tensors().items()})
    for mine, its in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, its)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("temperature", [0.5, 4.0, 20.0])
def test_the_closed_form_gives_the_parts_and_the_gradient_of_autograd(alpha: float, temperature: float) -> None:
    torch.manual_seed(1)
    student = torch.randn(8, 7, requires_grad=True)
    signals = LossInputs(student, torch.randint(7, (8,)), 3 * torch.randn(8, 7))
    method = SoftTargets(alpha=alpha, temperature=temperature)
    said = method.parts(signals)
    (expected,) = torch.autograd.grad(total_loss(said), student)
    with torch.no_grad():
        parts, slope = method.closed_form(signals)
    assert [(part.name, part.weight) for part in parts] == [(part.name, part.weight) for part in said]
    for part, other in zip(parts, said, strict=True):
        torch.testing.assert_close(part.value, other.value.detach(), rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(slope, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("unusual", [{"form": "ce"}, {"mean": "element"}, {"squared": False}])
def test_there_is_no_closed_form_of_an_unusual_loss(unusual: dict) -> None:
    signals = LossInputs(torch.randn(2, 3), torch.tensor([0, 1]), torch.randn(2, 3))
    assert SoftTargets(**unusual).closed_form(signals) is None


def test_the_label_loss_is_cross_entropy_and_so_is_its_gradient() -> None:
    logits = torch.randn(6, 4, requires_grad=True)
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    ours = label_part(logits, labels).value
    expected = nn.functional.cross_entropy(logits, labels)
    torch.testing.assert_close(ours, expected, rtol=1e-6, atol=0)
    (mine,), (its,) = torch.autograd.grad(ours, logits), torch.autograd.grad(expected, logits)
    torch.testing.assert_close(mine, its, rtol=1e-5, atol=1e-7)


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
def test_steps_taken_at_once_say_the_same_as_steps_taken_one_by_one(small_with: With, flat: dict[str, str]) -> None:
    config = small_with(**flat) if "dataset" not in flat else from_flat({"teacher_epochs": "1", **flat})
    hasty = Trainer(config)
    hasty.chunk_seconds = 1e9
    assert list(hasty) == list(Trainer(config))


def test_a_loss_that_is_not_finite_among_steps_taken_at_once_is_found_at_its_step(
    small: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = SoftTargets.closed_form
    seen: list[int] = []

    def broken(self: SoftTargets, signals: LossInputs) -> tuple[list[LossPart], torch.Tensor]:
        parts, slope = honest(self, signals)
        spoilt = bool((signals.rows == 7).any())  # the batch with a certain example
        seen.append(spoilt)
        return parts, slope * (math.nan if spoilt and signals.epoch == 1 else 1.0)

    monkeypatch.setattr(SoftTargets, "closed_form", broken)

    def ending(at_once: float) -> tuple[list, dict]:
        training = Trainer(small)
        training.chunk_seconds = at_once
        said = list(training)
        return said, training.networks["student"].state_dict()

    said, weights = ending(1e9)
    expected, kept = ending(0.0)
    assert said == expected
    assert any(isinstance(event, Failed) and event.part == "the gradient" for event in said)
    assert all(torch.equal(weights[name], kept[name]) for name in kept)


def test_a_change_by_hand_is_repeated_at_its_step_among_steps_taken_at_once(small: RunConfig) -> None:
    training, said = Trainer(small), []
    for event in training:
        said.append(event)
        if isinstance(event, Step) and (event.phase, event.step) == ("students", 2):
            training.adjust(temperature=9.0)
    changes = [event for event in said if event.kind == "adjusted"]
    again = Trainer(small, adjustments=changes)
    again.chunk_seconds = 1e9
    assert list(again) == said


def test_the_steps_taken_at_once_end_with_the_epoch(small: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    honest = PhaseTrainer.train_steps

    def counted(self: PhaseTrainer, done: int, most: int = 1) -> list[Step]:
        said = honest(self, done, most)
        taken.append(len(said))
        return said

    monkeypatch.setattr(PhaseTrainer, "train_steps", counted)
    training = Trainer(small)
    training.chunk_seconds = 1e9
    list(training)
    assert max(taken) == max(training._per_epoch.values()) - (1 if len(training._per_epoch) < 2 else 0)
