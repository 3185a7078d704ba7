"""Contract of all families of networks, for any channels, sizes, stages and scales."""

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from kd_core.base.registry import find_plugin, plugins
from kd_core.config.run import from_flat
from kd_core.models import Model, with_article
from kd_core.models.cnn import Cnn
from kd_core.models.mlp import Mlp
from kd_core.nn.hooks import EMBEDDING, feature_shapes, record_features
from kd_core.nn.pairs import Pair
from kd_core.schemes._assistant_sizes import assistant_model
from kd_core.tasks import EXAMPLE, NUMBERS

# Families that are made from a file or from a trained network have tests of their own.
# Those that read text, or have an output for every place, are tested in tests/tasks.
NUMBERS_ALONE = [
    (name, cls())
    for name, cls in plugins("models").items()
    if cls.inputs == NUMBERS and cls.outputs == EXAMPLE  # type: ignore[attr-defined]
]
BUILT = [name for name, one in NUMBERS_ALONE if not one.unsupported_reason((3, 32, 32))]  # type: ignore[attr-defined]
CONVOLUTIONAL = [name for name in BUILT if name not in {"mlp", "zoo"}]
EVERY = [*CONVOLUTIONAL, "mlp", "zoo"]
MORE = [
    ("resnet", {"depth": "14", "widening": 2}),
    ("wide_resnet", {"depth": "10", "widening": 2}),
    ("vgg", {"depth": "11", "multiplier": 0.25}),
    ("mobilenet", {"multiplier": 1.0, "expansion": 2}),
    ("shufflenet_v1", {"multiplier": "0.25"}),
    ("shufflenet_v2", {"multiplier": "2"}),
    ("imagenet_resnet", {"depth": "50"}),
]
VARIANTS = [*((name, {}) for name in EVERY), *MORE]


def model(name: str, **options: Any) -> Model:
    made: Model = find_plugin("models", name)(**options)  # type: ignore[assignment]
    return made


def images(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=str)
def test_a_network_learns_from_one_batch_with_finite_gradients_everywhere(name: str, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    network = model(name, **options).build((3, 32, 32), 7).train()
    labels = torch.arange(4)
    logits = network(images(4, 3, 32, 32))
    assert logits.shape == (4, 7)
    assert logits.dtype == torch.float32
    F.cross_entropy(logits, labels).backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 28, 28), (3, 37, 41), (1, 8, 8)], ids=str)
def test_a_network_takes_grey_and_coloured_images_of_any_size_it_does_not_refuse(
    name: str, shape: tuple[int, ...]
) -> None:
    of = model(name)
    if of.unsupported_reason(shape):
        assert name in {"mobilenet", "zoo"}
        assert shape[1] == 8
        return
    network = of.build(shape, 3).train()
    assert network(images(2, *shape)).isfinite().all()
    shapes = feature_shapes(of, shape, 3)
    assert list(shapes) == [*of.feature_layers(), "logits"]
    assert all(min(places) > 0 for places in shapes.values())


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=str)
def test_a_network_cut_at_any_tap_is_the_whole_and_the_cut_gives_the_features(
    name: str, options: dict[str, Any]
) -> None:
    of = model(name, **options)
    torch.manual_seed(0)
    network, inputs = of.build((1, 28, 28), 5).eval(), images(2, 1, 28, 28)
    with torch.no_grad(), record_features(network, of.feature_layers()) as seen:
        whole = network(inputs)
    for layer in of.cuttable_layers():
        body, head = of.split(network, layer)
        with torch.no_grad():
            features = body(inputs)
            torch.testing.assert_close(head(features), whole, rtol=0, atol=0)
        assert torch.equal(features, seen[layer])


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=str)
def test_the_embedding_is_what_the_last_linear_layer_reads(name: str, options: dict[str, Any]) -> None:
    of = model(name, **options)
    network = of.build((3, 32, 32), 5).eval()
    last = [module for module in network.modules() if isinstance(module, torch.nn.Linear)][-1]
    with torch.no_grad(), record_features(network, of.feature_layers()) as seen:
        logits = network(images(2, 3, 32, 32))
    torch.testing.assert_close(F.linear(seen[EMBEDDING], last.weight, last.bias), logits)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=str)
def test_a_network_of_shapes_alone_becomes_the_trained_one_with_its_weights(name: str, options: dict[str, Any]) -> None:
    of = model(name, **options)
    network = of.build((1, 28, 28), 5).train()
    network(images(3, 1, 28, 28))  # running statistics that are not the first ones
    network.eval()
    with torch.device("meta"):
        again = of.build((1, 28, 28), 5).eval()
    again.load_state_dict(network.state_dict(), assign=True)
    with torch.no_grad():
        assert torch.equal(again(images(2, 1, 28, 28)), network(images(2, 1, 28, 28)))


def test_weights_that_were_stored_before_other_families_came_keep_their_names() -> None:
    assert list(Cnn(4, 2, "none").build((1, 8, 8), 2).state_dict()) == [
        f"{place}.{kind}" for place in (0, 3, 7, 10, 15) for kind in ("weight", "bias")
    ]
    assert list(Mlp((4, 3)).build((2,), 2).state_dict()) == [
        f"{place}.{kind}" for place in (1, 3, 5) for kind in ("weight", "bias")
    ]


SMALLEST = {
    **{"resnet": 3, "wide_resnet": 3, "vgg": 8, "mobilenet": 9, "shufflenet_v1": 5, "shufflenet_v2": 5},
    **{"imagenet_resnet": 5, "zoo": 17, "cnn": 2},
}


@pytest.mark.parametrize(("name", "least"), SMALLEST.items(), ids=list(SMALLEST))
def test_an_image_is_refused_of_which_nothing_would_be_left_to_halve(name: str, least: int) -> None:
    of = model(name)
    assert of.unsupported_reason((3, least, least)) == ""
    assert f"{least - 1} × 40" in of.unsupported_reason((3, least - 1, 40))
    sides = [shape[1] for shape in feature_shapes(of, (3, least, least), 3).values() if len(shape) == 3]
    assert sides[-1] <= 2
    # Every stage that halves finds two pixels at least.
    assert 1 not in sides[:-1] or sides.index(1) >= len(sides) - 2


@pytest.mark.parametrize("name", [*CONVOLUTIONAL, "zoo"])
def test_points_are_refused_as_such(name: str) -> None:
    assert model(name).unsupported_reason((2,)) == "needs images, and these data are points"


def parameters(of: Model) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in of.build((3, 32, 32), 10).parameters())


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=str)
def test_a_scaled_network_is_of_the_same_family_and_never_larger(name: str, options: dict[str, Any]) -> None:
    of = model(name, **options)
    assert of.scaled(1.0) == of
    sizes = [parameters(of.scaled(factor)) for factor in (1.0, 0.7, 0.5, 0.2, 0.02)]
    assert sizes == sorted(sizes, reverse=True)
    assert type(of.scaled(0.1)) is type(of)


@pytest.mark.parametrize(
    ("before", "factor", "after"),
    [
        (model("resnet", depth="32", widening=4), 0.5, "ResNet 32×2"),
        (model("resnet", depth="110"), 0.7, "ResNet-56"),
        (model("wide_resnet", depth="40", widening=2), 0.5, "WRN-40-1"),
        (model("wide_resnet", depth="40", widening=1), 0.6, "WRN-16-1"),
        (model("imagenet_resnet", depth="50"), 0.6, "ResNet-34"),
        (model("shufflenet_v2", multiplier="2"), 0.5, "ShuffleNetV2"),
        (model("shufflenet_v1"), 0.5, "ShuffleNetV1 0.5"),
        (model("mobilenet", multiplier=1.0), 0.7, "MobileNetV2 0.7"),
        (model("vgg"), 0.5, "VGG-8 0.5"),
        (model("zoo", network="resnet50"), 0.6, "ResNet-18, torchvision"),
    ],
)
def test_smaller_versions_are_the_nearest_ones_there_are(before: Model, factor: float, after: str) -> None:
    assert before.scaled(factor).label() == after


def test_a_teaching_assistant_between_two_residual_networks_is_a_third_one() -> None:
    pair = Pair(model("resnet", depth="20"), model("resnet", depth="110"), (3, 32, 32), 10)
    assert assistant_model(pair, 0.5).label() == "ResNet-44"  # 272, 661 and 1,731 thousand parameters


@pytest.mark.parametrize(
    ("name", "spoken"),
    [("MLP 64", "an MLP 64"), ("CNN 8×2", "a CNN 8×2"), ("ResNet 20", "a ResNet 20"), ("VGG 8", "a VGG 8"),
     ("exit", "an exit"), ("MobileNetV2", "a MobileNetV2")],
)  # fmt: skip
def test_a_family_has_the_article_with_which_it_is_spoken(name: str, spoken: str) -> None:
    assert with_article(name) == spoken


def test_a_network_without_layers_to_leave_early_is_refused_with_its_article() -> None:
    with pytest.raises(ValueError, match="an MLP 64 has no layers"):
        from_flat({"scheme": "own_teacher", "student": "mlp", "student_widths": "64"})
