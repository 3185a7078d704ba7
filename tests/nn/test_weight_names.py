"""Names of tensors in torchvision, timm and transformers."""

from __future__ import annotations

import importlib.util
import re

import pytest
import torch
from torch import nn

from kd_core.files.limits import RefusedError
from kd_core.models._layers import resnet_names
from kd_core.models._normalisation import InputConversion, parse_normalisation
from kd_core.models.imagenet_resnet import ImagenetResnet
from kd_core.models.resnet import Resnet
from kd_core.models.zoo import TorchvisionModel
from kd_core.nn.weights import match
from kd_core.nn.weights.names import head_of, reorder_head
from kd_core.nn.weights.transformers import to_torchvision

SHAPE, CLASSES = (3, 32, 32), 7


def randomised(network: nn.Module) -> nn.Module:
    """Return the network in eval mode with statistics as of a trained one."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "shufflenet_v2_x1_0", "convnext_tiny"])
def test_torchvisions_own_state_gives_its_own_logits(name: str) -> None:
    import torchvision

    torch.manual_seed(0)
    original = randomised(torchvision.models.get_model(name, num_classes=CLASSES))
    model = TorchvisionModel(network=name)
    network = model.build(SHAPE, CLASSES).eval()
    network.load_state_dict(match(original.state_dict(), model, SHAPE, CLASSES))
    inputs = torch.randn(2, *SHAPE)
    with torch.no_grad():
        assert torch.allclose(network(inputs), original(inputs), atol=1e-5)


@pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="timm is not installed")
def test_a_network_of_timm_is_read_though_its_names_shapes_and_epsilons_differ() -> None:
    import timm

    torch.manual_seed(0)
    original = randomised(timm.create_model("mobilenetv3_small_100", num_classes=CLASSES))
    model = TorchvisionModel(network="mobilenet_v3_small")
    network = model.build(SHAPE, CLASSES).eval()
    network.load_state_dict(match(original.state_dict(), model, SHAPE, CLASSES))
    inputs = torch.randn(2, *SHAPE)
    with torch.no_grad():
        assert torch.allclose(network(inputs), original(inputs), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("head", ["fc", "linear"])
@pytest.mark.parametrize("model", [Resnet(), ImagenetResnet(depth="18"), ImagenetResnet(depth="50")])
def test_the_names_of_common_resnets_are_read(model: Resnet | ImagenetResnet, head: str) -> None:
    network = model.build(SHAPE, CLASSES)
    names = model.foreign_names(SHAPE, CLASSES)[0 if head == "fc" else 1]
    assert names["stem.0.weight"] == "conv1.weight"
    assert names["head.bias"] == f"{head}.bias"
    state = {names[key]: value for key, value in network.state_dict().items() if "num_batches" not in key}
    read = match(state, model, SHAPE, CLASSES)
    assert all(torch.equal(read[key], value) for key, value in network.state_dict().items())


def test_the_names_of_resnet_50_are_torchvisions() -> None:
    import torchvision

    with torch.device("meta"):
        original = torchvision.models.resnet50().state_dict()
        names = resnet_names(ImagenetResnet(depth="50").build(SHAPE, 1000).state_dict())[0]
    assert set(names.values()) == original.keys()
    assert list(names.values()) == list(original)


def test_another_number_of_classes_and_another_network_are_refused_by_the_names_in_the_file() -> None:
    import torchvision

    state = torchvision.models.resnet18(num_classes=CLASSES).state_dict()
    with pytest.raises(RefusedError, match=r'last layer "fc\.weight" has 7 classes, and these data have 5'):
        match(state, TorchvisionModel(network="resnet18"), SHAPE, 5)
    with pytest.raises(RefusedError, match=r'lacks "layer1\.2\.conv1\.weight"'):
        match(state, TorchvisionModel(network="resnet34"), SHAPE, CLASSES)


@pytest.mark.parametrize(
    ("name", "translated"),
    [
        ("resnet.embedder.embedder.convolution.weight", "conv1.weight"),
        ("resnet.encoder.stages.1.layers.0.shortcut.normalization.bias", "layer2.0.downsample.1.bias"),
        ("resnet.encoder.stages.3.layers.1.layer.2.convolution.weight", "layer4.1.conv3.weight"),
        ("classifier.1.weight", "fc.weight"),
        ("vit.embeddings.position_embeddings", "encoder.pos_embedding"),
        ("vit.encoder.layer.3.layernorm_after.bias", "encoder.layers.encoder_layer_3.ln_2.bias"),
        (
            "vit.encoder.layer.3.attention.output.dense.bias",
            "encoder.layers.encoder_layer_3.self_attention.out_proj.bias",
        ),
        ("vit.encoder.layer.3.output.dense.bias", "encoder.layers.encoder_layer_3.mlp.3.bias"),
        ("vit.layers.11.mlp.fc1.weight", "encoder.layers.encoder_layer_11.mlp.0.weight"),
        ("vit.layernorm.weight", "encoder.ln.weight"),
    ],
)
def test_names_of_transformers_are_those_of_torchvision(name: str, translated: str) -> None:
    sign = "vit.embeddings.x" if name.startswith("vit") else "resnet.encoder.x"
    assert translated in to_torchvision({name: torch.zeros(1), sign: torch.zeros(1)})


@pytest.mark.parametrize("pattern", ["vit.encoder.layer.2.attention.attention.{}", "vit.layers.2.attention.{}_proj"])
def test_queries_keys_and_values_of_a_vit_become_one_matrix(pattern: str) -> None:
    parts = {"query": 1.0, "key": 2.0, "value": 3.0}
    names = {part: pattern.format(part if "encoder" in pattern else part[0]) for part in parts}
    state = {f"{names[part]}.bias": torch.full((2,), value) for part, value in parts.items()}
    joined = to_torchvision(state | {"vit.embeddings.cls_token": torch.zeros(1)})
    bias = joined["encoder.layers.encoder_layer_2.self_attention.in_proj_bias"]
    assert bias.tolist() == [1, 1, 2, 2, 3, 3]


def test_outputs_are_brought_into_the_order_of_the_classes() -> None:
    network = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    assert head_of(network.state_dict()) == "2.weight"
    other = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    other.load_state_dict(reorder_head(network.state_dict(), (2, 0, 1)))
    inputs = torch.randn(6, 4)
    assert torch.allclose(other(inputs), network(inputs)[:, [2, 0, 1]])


@pytest.mark.parametrize("text", ["", "other", "0.5", "0.5/0", "0.5,0.5/1,1", "nan/1", "1e9/1", "0.5/1/2"])
def test_a_bad_normalisation_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match=rf'normalisation = "{re.escape(text)}": choose dataset .*own numbers'):
        parse_normalisation(text, 3)


def test_inputs_are_converted_by_way_of_pixels() -> None:
    layer = InputConversion((0.3,), (0.4,), 3)
    images = torch.randn(2, 3, 4, 4)
    assert torch.equal(layer(images), images)
    mean, std = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.5, 0.6, 0.7])
    layer.load_state_dict({"mean": mean, "std": std})
    expected = (images * 0.4 + 0.3 - mean[:, None, None]) / std[:, None, None]
    assert torch.allclose(layer(images), expected, atol=1e-6)


def test_weights_that_were_stored_before_there_was_a_conversion_load_without_one() -> None:
    layer = nn.Sequential(InputConversion((0.3,), (0.4,), 1))
    layer.load_state_dict({})
    assert torch.equal(layer(torch.ones(1, 1, 2, 2)), torch.ones(1, 1, 2, 2))
