"""Forward passes in evaluation mode."""

import pytest
import torch
from torch import nn

from kd_core.nn import inference
from kd_core.nn.inference import depends_on_mode, freeze, predict_logits, predict_with_features


def network_with_modes() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Dropout(0.5), nn.Linear(5, 2))


@pytest.mark.parametrize("is_training", [True, False])
def test_a_prediction_is_that_of_eval_mode_and_changes_nothing(is_training: bool) -> None:
    network, inputs = network_with_modes().train(is_training), torch.randn(6, 3)
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    logits = predict_logits(network, inputs)
    assert not logits.requires_grad
    assert all(module.training == is_training for module in network.modules())
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())
    assert torch.equal(logits, network.eval()(inputs))


def test_batches_give_the_same_logits_and_features_as_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    network, inputs = network_with_modes().eval(), torch.randn(7, 3)
    whole = predict_with_features(network, inputs, {"hidden": "1"})
    monkeypatch.setattr(inference, "MAX_EXAMPLES", 3)
    logits, features = predict_with_features(network, inputs, {"hidden": "1"})
    torch.testing.assert_close(logits, whole[0])
    torch.testing.assert_close(features["hidden"], whole[1]["hidden"])


def test_only_networks_of_known_layers_are_taken_to_have_no_modes() -> None:
    assert not depends_on_mode(nn.Sequential(nn.Flatten(), nn.Linear(3, 2), nn.ReLU()))
    assert depends_on_mode(network_with_modes())


def test_a_frozen_network_asks_for_no_gradient_and_is_in_eval_mode() -> None:
    network = freeze(network_with_modes())
    assert not any(module.training for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())
