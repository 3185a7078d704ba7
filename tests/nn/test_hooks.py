"""Forward hooks that record features."""

import torch
from torch import nn

from kd_core.models.cnn import Cnn
from kd_core.nn.hooks import LOGITS, feature_shapes, record_features


def test_features_are_recorded_within_the_context_only() -> None:
    network = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
    inputs = torch.randn(4, 3)
    with record_features(network, {"hidden": "1"}) as features:
        logits = network(inputs)
    assert torch.equal(features["hidden"], network[0](inputs).relu())
    assert torch.equal(network[2](features["hidden"]), logits)
    recorded = features["hidden"]
    network(torch.zeros(1, 3))
    assert features["hidden"] is recorded


def test_shapes_without_computing_are_those_of_a_real_pass() -> None:
    model = Cnn(4, 3)
    network = model.build((1, 16, 16), 10).eval()
    with record_features(network, model.feature_layers()) as features:
        logits = network(torch.randn(2, 1, 16, 16))
    shapes = {layer: tuple(tensor.shape[1:]) for layer, tensor in features.items()}
    assert feature_shapes(model, (1, 16, 16), 10) == shapes | {LOGITS: tuple(logits.shape[1:])}
