"""Torchvision networks split into stages have the same outputs, named layers and pretrained weights."""

from typing import Any
from urllib.error import URLError

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.models._torchvision_stages import ARCHITECTURES, join_stages
from kd_core.models.zoo import TorchvisionModel
from kd_core.nn.hooks import feature_shapes

LIGHT = [name for name in ARCHITECTURES if name not in {"resnet50", "vgg16_bn", "vit_b_16"}]
FETCH = "torchvision.models._api.load_state_dict_from_url"


def images(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def theirs(name: str, classes: int = 10) -> nn.Module:
    torch.manual_seed(0)
    network: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=classes)
    return network


def taken_apart(name: str) -> tuple[nn.Module, nn.Module]:
    """Return torchvision's network and the one of stages, with the same weights."""
    with torch.device("meta"):
        original: nn.Module = torchvision.models.get_model(name, num_classes=10)
    chance, state = torch.Generator().manual_seed(0), {}
    for key, value in original.state_dict().items():
        state[key] = torch.ones(value.shape, dtype=value.dtype)
        if not key.endswith(("running_var", "num_batches_tracked")):
            fan = value[0].numel() if value.dim() > 1 else 100
            state[key] = torch.empty(value.shape).uniform_(-1, 1, generator=chance) * (3 / fan) ** 0.5
    original.load_state_dict(state, assign=True)
    return original, join_stages(ARCHITECTURES[name].stages(original), 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", LIGHT)
def test_a_network_answers_as_torchvisions_own(name: str) -> None:
    inputs, (original, network) = images(2, 3, 40, 40), taken_apart(name)
    with torch.no_grad():
        expected, output = original.eval()(inputs), network.eval()(inputs)
        torch.testing.assert_close(output, expected, rtol=1e-5, atol=1e-5)
        assert expected.std() > 0
        # And while it learns, where chance decides what is dropped.
        torch.manual_seed(1)
        expected = original.train()(inputs)
        torch.manual_seed(1)
        torch.testing.assert_close(network.train()(inputs), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_a_vision_transformer_answers_as_torchvisions_own() -> None:
    inputs, (original, network) = images(1, 3, 224, 224), taken_apart("vit_b_16")
    with torch.no_grad():
        expected = original.eval()(inputs)
        assert expected.std() > 0
        torch.testing.assert_close(network.eval()(inputs), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_a_network_has_as_many_parameters_as_torchvision_says(name: str) -> None:
    with torch.device("meta"):
        network = TorchvisionModel(network=name).build((3, 224, 224), 1000)
    published = torchvision.models.get_model_weights(name).DEFAULT.meta["num_params"]
    assert sum(parameter.numel() for parameter in network.parameters()) == published
    assert ARCHITECTURES[name].millions == pytest.approx(published / 1e6, abs=0.051)


PLACES = {
    "resnet50": [56, 56, 28, 14, 7],
    "vgg16_bn": [224, 112, 56, 28, 14],
    "mobilenet_v2": [112, 56, 28, 14, 7],
    "mobilenet_v3_small": [112, 56, 28, 14, 7],
    "mobilenet_v3_large": [112, 56, 28, 14, 7],
    "shufflenet_v2_x1_0": [56, 28, 14, 7],
    "efficientnet_b0": [112, 56, 28, 14, 7],
    "convnext_tiny": [56, 56, 28, 14, 7],
    "vit_b_16": [14, 14, 14, 14],  # of tokens, and none of the stem
}


@pytest.mark.parametrize(("name", "places"), PLACES.items(), ids=list(PLACES))
def test_the_taps_are_the_maps_at_each_resolution_and_the_embedding(name: str, places: list[int]) -> None:
    shapes = list(feature_shapes(TorchvisionModel(network=name), (3, 224, 224), 10).items())
    assert [shape[1] for _, shape in shapes[:-2]] == places
    assert [layer for layer, _ in shapes[:-2]] == list(ARCHITECTURES[name].names[-len(places) :])
    assert shapes[-2][0] == "embedding"


def test_images_are_enlarged_inside_the_network() -> None:
    torch.manual_seed(0)
    network = TorchvisionModel(image_size=32).build((1, 8, 8), 10).eval()
    torch.manual_seed(0)
    plain = TorchvisionModel().build((1, 32, 32), 10).eval()
    small = images(2, 1, 8, 8)
    enlarged = F.interpolate(small, (32, 32), mode="bilinear")
    with torch.no_grad():
        assert torch.equal(network(small), plain(enlarged))
    assert feature_shapes(TorchvisionModel(image_size=64), (1, 8, 8), 10)["stage 4"] == (512, 2, 2)
    assert "resize" not in dict(TorchvisionModel(image_size=32).build((1, 32, 32), 10).named_children())


def test_an_image_too_small_is_refused_with_what_to_choose() -> None:
    reason = TorchvisionModel().unsupported_reason((1, 8, 8))
    assert reason == (
        "needs images of at least 17 × 17 pixels, and these have 8 × 8: choose an image size of 17 or more"
    )
    assert TorchvisionModel(image_size=17).unsupported_reason((1, 8, 8)) == ""
    assert "8 × 8: choose" not in TorchvisionModel(image_size=16).unsupported_reason((1, 8, 8))
    assert TorchvisionModel(network="vit_b_16").unsupported_reason((3, 32, 32)).endswith("choose an image size of 224")
    assert TorchvisionModel(network="vit_b_16", image_size=224).unsupported_reason((3, 32, 32)) == ""
    assert (
        TorchvisionModel(network="vit_b_16", image_size=224).unsupported_reason((2,))
        == "needs images, and these data are points"
    )


# -- weights of ImageNet --------------------------------------------------------------------------------------------


@pytest.fixture
def imagenet(monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """A network for 1,000 classes whose weights stand for those that would be fetched."""
    network = theirs("resnet18", 1000)
    monkeypatch.setattr(FETCH, lambda *_, **__: network.state_dict())
    return network.eval()


def test_pretrained_weights_are_loaded_and_only_the_last_layer_is_new(imagenet: nn.Module) -> None:
    network = TorchvisionModel(pretrained=True).build((3, 32, 32), 10).eval()
    imagenet.fc = nn.Identity()
    inputs = images(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network[:-1](inputs), imagenet(inputs))
    assert network.get_submodule("head.0").out_features == 10


def test_a_grey_image_means_to_pretrained_weights_what_equal_red_green_and_blue_mean(imagenet: nn.Module) -> None:
    network = TorchvisionModel(pretrained=True).build((1, 32, 32), 1000).eval()
    grey = images(2, 1, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network(grey), imagenet(grey.repeat(1, 3, 1, 1)), rtol=1e-4, atol=1e-4)


def test_weights_that_cannot_be_had_are_one_sentence_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(FETCH, unreachable)
    with pytest.raises(ValueError, match=r"ResNet-18 are not .* put resnet18-\w+\.pth into .* pretrained off\.$"):
        TorchvisionModel(pretrained=True).build((3, 32, 32), 10)
    # Shapes and costs need no weights.
    assert feature_shapes(TorchvisionModel(pretrained=True, frozen="stage 1"), (3, 32, 32), 10)["embedding"] == (512,)


# -- frozen stages --------------------------------------------------------------------------------------------------

BLOCKS = ["stem", "stage1", "stage2", "stage3", "stage4", "embedding"]


@pytest.mark.parametrize(
    ("frozen", "count", "image_size"),
    [("nothing", 0, 0), ("stem", 1, 0), ("stage 2", 3, 40), ("all but the head", 6, 0)],
)
def test_frozen_stages_stay_as_they_are_while_the_rest_learns(frozen: str, count: int, image_size: int) -> None:
    torch.manual_seed(0)
    network = TorchvisionModel(frozen=frozen, image_size=image_size).build((3, 32, 32), 10)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    optimiser = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], 0.1, weight_decay=0.1)
    F.cross_entropy(network.train()(images(4, 3, 32, 32)), torch.arange(4)).backward()
    optimiser.step()
    changed = {key.split(".")[0] for key, value in network.state_dict().items() if not torch.equal(value, before[key])}
    assert changed == {*BLOCKS[count:], "head"} - {"embedding"}
    statistics = [key for key in before if "running_mean" in key and key.split(".")[0] in BLOCKS[:count]]
    assert bool(statistics) == bool(count)


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "vgg11_bn", "efficientnet_b0", "convnext_tiny", "vit_b_16"])
def test_all_but_the_head_of_any_network_can_be_frozen(name: str) -> None:
    with torch.device("meta"):
        network = TorchvisionModel(network=name, frozen="all but the head").build((3, 224, 224), 10).train()
    learned = [key for key, parameter in network.named_parameters() if parameter.requires_grad]
    assert {key.split(".")[0] for key in learned} == {"head"}
    assert len(learned) == 2
    assert {key.split(".")[0] for key, module in network.named_modules() if module.training} == {"", "head"}


def test_a_stage_that_a_network_does_not_have_cannot_be_frozen() -> None:
    with pytest.raises(ValueError, match=r"frozen = stage 4: ShuffleNetV2 has stem, stage 1, stage 2, stage 3; choose"):
        TorchvisionModel(network="shufflenet_v2_x1_0", frozen="stage 4")
    with pytest.raises(ValueError, match=r"frozen = stem: VGG-11-BN has stage 1, .*stage 5"):
        TorchvisionModel(network="vgg11_bn", frozen="stem")
