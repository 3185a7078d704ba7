"""Segmentation networks of torchvision inside a family of this program."""

from __future__ import annotations

from typing import Any
from urllib.error import URLError

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.base.events import Finished
from kd_core.config.run import from_flat
from kd_core.models.segmentation_zoo import ARCHITECTURES, TorchvisionSegmentation
from kd_core.nn.hooks import feature_shapes, record_features
from kd_core.training.loop import Trainer

DOWNLOAD = "torchvision.models._api.load_state_dict_from_url"
LIGHT = "lraspp_mobilenet_v3_large"


def images(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def original(name: str, classes: int) -> Any:
    torch.manual_seed(0)
    return torchvision.models.get_model(name, weights=None, weights_backbone=None, num_classes=classes).eval()


@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_a_network_has_as_many_parameters_as_torchvision_says_without_its_auxiliary_classifier(name: str) -> None:
    with torch.device("meta"):
        network = TorchvisionSegmentation(name).build((3, 64, 64), 21)
        whole: Any = torchvision.models.get_model(name, weights_backbone=None, num_classes=21)
    published = torchvision.models.get_model_weights(name).DEFAULT.meta["num_params"]
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count == sum(parameter.numel() for parameter in whole.parameters())
    assert 0 <= published - count < 2_400_000
    assert ARCHITECTURES[name].millions == pytest.approx(count / 1e6, abs=0.051)


@pytest.mark.parametrize("name", [LIGHT, "deeplabv3_mobilenet_v3_large"])
def test_a_network_answers_for_every_pixel_as_torchvisions_own(name: str) -> None:
    torch.manual_seed(0)
    network, inputs = TorchvisionSegmentation(name).build((3, 32, 40), 5).eval(), images(2, 3, 32, 40)
    with torch.no_grad():
        expected = original(name, 5)(inputs)["out"]
        assert expected.std() > 0
        assert torch.equal(network(inputs), expected.permute(0, 2, 3, 1))


def test_images_are_enlarged_inside_the_network_and_its_maps_made_as_small_as_the_image() -> None:
    torch.manual_seed(0)
    network, inputs = TorchvisionSegmentation(image_size=64).build((3, 20, 24), 5).eval(), images(2, 3, 20, 24)
    with torch.no_grad():
        maps = original(LIGHT, 5)(F.interpolate(inputs, (64, 64), mode="bilinear"))["out"]
        expected = F.interpolate(maps, (20, 24), mode="bilinear").permute(0, 2, 3, 1)
        assert torch.equal(network(inputs), expected)


@pytest.mark.parametrize(("name", "places"), [("fcn_resnet50", [32, 16, 8, 8, 8]), (LIGHT, [32, 16, 8, 4, 4])])
def test_the_named_layers_are_the_maps_of_the_backbone_and_the_logits(name: str, places: list[int]) -> None:
    model = TorchvisionSegmentation(name)
    shapes = feature_shapes(model, (3, 64, 64), 5)
    assert [shapes[layer][1] for layer in model.stages(shapes)] == places
    assert shapes["logits map"] == (5, 64, 64)
    with torch.device("meta"), torch.no_grad():
        network = model.build((3, 64, 64), 5).eval()
        with record_features(network, model.feature_layers()) as features:
            network(torch.empty(1, 3, 64, 64))
        assert features["stage 4"].shape == network.network.backbone(torch.empty(1, 3, 64, 64)).popitem()[1].shape


def test_pretrained_weights_are_loaded_except_the_last_layers_and_the_auxiliary_classifier(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = original(LIGHT, 21)
    state = source.state_dict() | {"aux_classifier.0.weight": torch.zeros(1)}
    monkeypatch.setattr(DOWNLOAD, lambda *_, **__: state)
    network: Any = TorchvisionSegmentation(pretrained=True).build((3, 32, 32), 5).eval()
    for name, tensor in network.network.state_dict().items():
        assert torch.equal(tensor, state[name]) == ("_classifier." not in name), name
    grey = TorchvisionSegmentation(pretrained=True).build((1, 32, 32), 21).eval()
    inputs = images(2, 1, 32, 32)
    with torch.no_grad():
        expected = source(inputs.repeat(1, 3, 1, 1))["out"].permute(0, 2, 3, 1)
        torch.testing.assert_close(grey(inputs), expected, rtol=1e-3, atol=1e-3)


def test_weights_that_cannot_be_downloaded_are_one_sentence_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(DOWNLOAD, unreachable)
    with pytest.raises(ValueError, match=r"LR-ASPP MobileNetV3 are not .* put lraspp_\w+-\w+\.pth into .* off\.$"):
        TorchvisionSegmentation(pretrained=True).build((3, 32, 32), 5)


def test_a_smaller_network_is_the_largest_with_so_many_parameters_and_small_images_are_refused() -> None:
    large = TorchvisionSegmentation("deeplabv3_resnet50")
    assert large.scaled(0.95).network == "fcn_resnet50"
    assert large.scaled(0.6).network == "deeplabv3_mobilenet_v3_large"
    assert large.scaled(0.01).network == LIGHT
    assert "at least 16 × 16" in large.unsupported_reason((3, 12, 40))
    assert TorchvisionSegmentation(image_size=32).unsupported_reason((3, 12, 12)) == ""


def test_weights_of_torchvision_are_recognised_by_their_names() -> None:
    model = TorchvisionSegmentation()
    source: nn.Module = original(LIGHT, 5)
    (names,) = model.foreign_names((3, 32, 32), 5)
    renamed = {ours: source.state_dict()[theirs] for ours, theirs in names.items()}
    model.build((3, 32, 32), 5).load_state_dict(renamed)  # strict, so that none is missing


def test_it_learns_in_a_run() -> None:
    settings = {
        "dataset": "scenes", "dataset_count": "20", "labelled": "4", "teacher_width": "2",
        "student": "segmentation_zoo", "teacher_epochs": "1", "epochs": "1", "batch_size": "2", "control": "false",
    }  # fmt: skip
    finished = list(Trainer(from_flat(settings)))[-1]
    assert isinstance(finished, Finished)
    assert finished.outcome == "completed"
    assert finished.test.keys() == {"teacher", "student"}
