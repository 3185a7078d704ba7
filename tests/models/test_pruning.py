"""Pruning of networks by magnitude, and the family of pruned networks."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from kd_core.config.run import RunConfig, from_flat
from kd_core.models import _pruning, pruned
from kd_core.models._pruning import CHANNELS, WEIGHTS, count_nonzero, count_parameters, layers, prune
from kd_core.models.cnn import Cnn
from kd_core.models.mlp import Mlp
from kd_core.models.pruned import PrunedNetwork
from kd_core.nn import weights
from kd_core.training.loop import Trainer

needs_torch_pruning = pytest.mark.skipif(
    importlib.util.find_spec("torch_pruning") is None, reason="torch-pruning is not installed"
)
IMAGES = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def trained_like(model: Any, shape: tuple[int, ...] = (1, 8, 8)) -> nn.Module:
    """A network as the engine keeps it, frozen and with the channels last."""
    torch.manual_seed(0)
    network: nn.Module = model.build(shape, 3).eval().requires_grad_(False)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def all_weights(network: nn.Module) -> Tensor:
    return torch.cat([layer.weight.detach().flatten() for layer in layers(network)])


@pytest.mark.parametrize("model", [Cnn(), Mlp((16,))], ids=["cnn", "mlp"])
def test_the_smallest_weights_of_the_whole_network_become_zero_and_the_others_stay(model: Any) -> None:
    network = trained_like(model)
    before, after = all_weights(network), all_weights(prune(network, 0.3, WEIGHTS, IMAGES))
    removed = round(0.3 * len(before))
    threshold = before.abs().sort().values[removed - 1]
    assert int((after == 0).sum()) == removed
    assert torch.equal(after, torch.where(before.abs() <= threshold, 0.0, before))
    assert torch.equal(before, all_weights(network)), "the network itself has changed"


@needs_torch_pruning
@pytest.mark.slow
def test_without_channels_a_network_is_smaller_and_answers_like_the_whole_one_with_these_silenced() -> None:
    network = trained_like(Mlp((16,)), (5,))
    inputs = torch.randn(20, 5, generator=torch.Generator().manual_seed(2))
    small = prune(network, 0.5, CHANNELS, inputs)
    assert count_parameters(small) == 5 * 8 + 8 + 8 * 3 + 3
    first, rest = layers(network)[0], layers(small)[0]
    silenced = [row for row in range(16) if not (first.weight[row] == rest.weight).all(1).any()]
    assert len(silenced) == 8
    reference = trained_like(Mlp((16,)), (5,))
    layers(reference)[-1].weight[:, silenced] = 0
    torch.testing.assert_close(small(inputs), reference(inputs))


@needs_torch_pruning
def test_fewer_channels_are_left_at_every_larger_fraction_also_with_group_normalisation() -> None:
    network = trained_like(Cnn())
    sizes = [count_parameters(prune(network, fraction, CHANNELS, IMAGES)) for fraction in (0, 0.25, 0.5, 0.75, 0.95)]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == len(sizes)
    assert min(layer.weight.shape[0] for layer in layers(prune(network, 0.95, CHANNELS, IMAGES))) >= 3


def test_what_cannot_be_pruned_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    network = trained_like(Cnn())
    for arguments, message in (
        ((0.99, WEIGHTS), r"fraction = 0\.99: choose a number from 0 to 0\.95"),
        ((float("nan"), WEIGHTS), "fraction = nan"),
        ((0.5, "rows"), "kind = rows: choose one of channels, weights"),
    ):
        with pytest.raises(ValueError, match=message):
            prune(network, *arguments, IMAGES)
    with pytest.raises(ValueError, match="no linear or convolutional layer"):
        prune(nn.Flatten(), 0.5, WEIGHTS, IMAGES)
    monkeypatch.setattr(_pruning.importlib.util, "find_spec", lambda *_: None)
    with pytest.raises(ImportError, match=r"distillery-lab\[compress\]"):
        prune(network, 0.5, CHANNELS, IMAGES)


@pytest.fixture(scope="module")
def source(data_home: Any) -> str:
    """Weights of a network for the digits."""
    torch.manual_seed(3)
    model = Mlp((16,))
    return weights.add("network", weights.export(model.build((1, 8, 8), 10)), model, (1, 8, 8), 10)


@pytest.fixture(scope="module")
def config_with(source: str) -> Callable[..., RunConfig]:
    base = {
        "dataset": "digits", "labelled": "50", "epochs": "2", "teacher": "mlp", "teacher_widths": "16",
        "teacher_epochs": "0", "teacher_weights": source, "student": "pruned", "student_source": source,
        "student_kind": WEIGHTS,
    }  # fmt: skip
    return lambda **changes: from_flat(base | changes)


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_removed_weights_stay_zero_while_all_others_are_trained(
    config_with: Callable[..., RunConfig], optimiser: str
) -> None:
    config = config_with(optimiser=optimiser, weight_decay="0.01", student_fraction="0.7")
    start = config.student.build((1, 8, 8), 10)
    trainer = Trainer(config)
    for _ in trainer:
        pass
    for role in ("student", "baseline"):
        network = trainer.networks[role]
        before, after = all_weights(start), all_weights(network)
        assert torch.equal(before == 0, after == 0)
        assert (before != after)[before != 0].float().mean() > 0.5
        assert count_nonzero(network) == count_nonzero(start)


def test_a_pruned_network_that_is_resumed_ends_with_the_same_numbers(config_with: Callable[..., RunConfig]) -> None:
    config = config_with(student_fraction="0.7")
    whole = Trainer(config)
    for _ in whole:
        pass
    first = Trainer(config)
    steps = (event for event in first if event.kind == "step" and event.step == 1)
    next(steps)
    resumed = Trainer(config, resume=first.checkpoint())
    for _ in resumed:
        pass
    for role in ("student", "baseline"):
        assert torch.equal(all_weights(whole.networks[role]), all_weights(resumed.networks[role]))


def test_the_teacher_is_the_unpruned_network_and_both_students_begin_as_the_pruned_one(
    config_with: Callable[..., RunConfig], source: str
) -> None:
    config = config_with(epochs="1")
    start, trainer = config.student.build((1, 8, 8), 10).state_dict(), Trainer(config)
    steps = [event for event in trainer if event.kind == "step"]
    assert all(event.loss.keys() == {"student", "baseline"} for event in steps)  # as many updates of both
    for name, tensor in weights.load(source).items():
        assert torch.equal(trainer.networks["teacher"].state_dict()[name], tensor)
        assert torch.equal(start[name], tensor * (start[name] != 0))


@needs_torch_pruning
def test_a_network_without_channels_trains_by_features_as_well(config_with: Callable[..., RunConfig]) -> None:
    config = config_with(student_kind=CHANNELS, student_fraction="0.5", epochs="1", method="similarity")
    assert config.student.label() == "MLP 16, 50 % of its channels pruned"
    trainer = Trainer(config)
    assert [event.outcome for event in trainer if event.kind == "finished"] == ["completed"]
    assert count_parameters(trainer.networks["student"]) == 64 * 8 + 8 + 8 * 10 + 10


def test_a_pruned_network_is_always_the_same_and_draws_no_random_number(source: str) -> None:
    model = PrunedNetwork(source=source, kind=WEIGHTS)
    state = torch.get_rng_state()
    first = model.build((1, 8, 8), 10).state_dict()
    pruned._pruned.cache_clear()
    second = model.build((1, 8, 8), 10).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(state, torch.get_rng_state())
    with torch.device("meta"):
        assert all(tensor.is_meta for tensor in model.build((1, 8, 8), 10).state_dict().values())


def test_a_pruned_network_can_be_the_source_of_another(source: str) -> None:
    once = PrunedNetwork(source=source, kind=WEIGHTS, fraction=0.5)
    network = once.build((1, 8, 8), 10)
    again = weights.add("pruned", weights.export(network), once, (1, 8, 8), 10)
    twice = PrunedNetwork(source=again, kind=WEIGHTS, fraction=0.8).build((1, 8, 8), 10)
    assert int((all_weights(twice) == 0).sum()) == round(0.8 * len(all_weights(twice)))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"student_source": ""}, "open a finished run on the Compress page"),
        ({"student_source": "0" * 32}, "which are not on this machine"),
        ({"student_source": "../../etc/passwd"}, "which are not on this machine"),
        ({"dataset": "moons"}, "inputs of another shape"),
    ],
)
def test_a_source_that_is_missing_or_does_not_fit_is_refused(
    config_with: Callable[..., RunConfig], settings: dict[str, str], reason: str
) -> None:
    with pytest.raises(ValueError, match=rf"student = pruned: a pruned network .*{reason}"):
        config_with(**settings)
