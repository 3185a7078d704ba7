"""Networks of the CIFAR-100 benchmark have the published parameters, features and initial weights."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from kd_core.base.registry import find_plugin
from kd_core.models import Model
from kd_core.nn.hooks import feature_shapes

INPUT, CLASSES = (3, 32, 32), 100


def model(name: str, **options: Any) -> Model:
    made: Model = find_plugin("models", name)(**options)  # type: ignore[assignment]
    return made


def parameters(of: Model, classes: int = CLASSES) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in of.build(INPUT, classes).parameters())


PUBLISHED = [
    ("ResNet-20", 278_324, model("resnet", depth="20")),
    ("ResNet-32", 472_756, model("resnet", depth="32")),
    ("ResNet-56", 861_620, model("resnet", depth="56")),
    ("ResNet-110", 1_736_564, model("resnet", depth="110")),
    ("ResNet 8×4", 1_233_540, model("resnet", depth="8", widening=4)),
    ("ResNet 32×4", 7_433_860, model("resnet", depth="32", widening=4)),
    ("WRN-16-2", 703_284, model("wide_resnet", depth="16", widening=2)),
    ("WRN-40-1", 569_780, model("wide_resnet", depth="40", widening=1)),
    ("WRN-40-2", 2_255_156, model("wide_resnet", depth="40", widening=2)),
    ("VGG-8", 3_965_028, model("vgg", depth="8")),
    ("VGG-13", 9_462_180, model("vgg", depth="13")),
    ("MobileNetV2 0.5", 812_836, model("mobilenet")),
    ("ShuffleNetV1", 949_258, model("shufflenet_v1")),
    ("ShuffleNetV2", 1_355_528, model("shufflenet_v2")),
    ("ResNet-50", 23_705_252, model("imagenet_resnet", depth="50")),
]


@pytest.mark.parametrize(("label", "count", "of"), PUBLISHED, ids=[label for label, _, _ in PUBLISHED])
def test_a_network_has_the_published_name_and_number_of_parameters(label: str, count: int, of: Model) -> None:
    assert (of.label(), parameters(of)) == (label, count)


@pytest.mark.slow
def test_the_small_residual_networks_are_near_the_rounded_counts_of_their_paper() -> None:
    millions = {"20": 0.27, "32": 0.46, "44": 0.66, "56": 0.85, "110": 1.7}  # He et al. 2016, table 6: 10 classes
    for depth, published in millions.items():
        assert parameters(model("resnet", depth=depth), 10) / 1e6 == pytest.approx(published, abs=0.04)


@pytest.mark.slow
def test_wide_residual_networks_have_the_rounded_counts_of_their_paper() -> None:
    millions = {("40", 1): 0.6, ("40", 2): 2.2, ("40", 4): 8.9, ("28", 10): 36.5}  # Zagoruyko & Komodakis, tables 4, 5
    for (depth, widening), published in millions.items():
        count = parameters(model("wide_resnet", depth=depth, widening=widening), 10)
        assert count / 1e6 == pytest.approx(published, abs=0.06)


POINTS = {
    "ResNet 8×4": "32x32x32 64x32x32 128x16x16 256x8x8 256",
    "ResNet 32×4": "32x32x32 64x32x32 128x16x16 256x8x8 256",
    "ResNet-20": "16x32x32 16x32x32 32x16x16 64x8x8 64",
    "ResNet-56": "16x32x32 16x32x32 32x16x16 64x8x8 64",
    "WRN-16-2": "16x32x32 32x32x32 64x16x16 128x8x8 128",
    "VGG-8": "64x32x32 128x16x16 256x8x8 512x4x4 512x4x4 512",
    "MobileNetV2 0.5": "16x16x16 12x16x16 16x8x8 48x4x4 160x2x2 1280",
    "ShuffleNetV1": "24x32x32 240x16x16 480x8x8 960x4x4 960",
    "ShuffleNetV2": "24x32x32 116x16x16 232x8x8 464x4x4 1024",
    "ResNet-50": "64x32x32 256x32x32 512x16x16 1024x8x8 2048x4x4 2048",
}


@pytest.mark.parametrize(("label", "points"), POINTS.items(), ids=list(POINTS))
def test_the_taps_are_the_published_feature_points(label: str, points: str) -> None:
    of = next(of for name, _, of in PUBLISHED if name == label)
    shapes = feature_shapes(of, INPUT, CLASSES)
    first = ["stage 1"] if label == "VGG-8" else ["stem", "stage 1"]
    assert list(shapes)[: len(first)] == first
    assert list(shapes)[-2:] == ["embedding", "logits"]
    assert " ".join("x".join(map(str, shape)) for shape in shapes.values()) == f"{points} {CLASSES}"


# -- the same counts by hand, for every variant ---------------------------------------------------------------------


def conv(before: int, after: int, size: int = 3, groups: int = 1) -> int:
    """Weights of a convolution and of the batch norm after it."""
    return before * after * size**2 // groups + 2 * after


def by_hand_resnet(depth: int, k: int) -> int:
    blocks, before = (depth - 2) // 6, 16 * min(k, 2)
    total = conv(3, before)
    for after in (16 * k, 32 * k, 64 * k):
        total += conv(before, after) + (2 * blocks - 1) * conv(after, after)
        total += conv(before, after, 1) if before != after else 0
        before = after
    return total + 100 * (before + 1)


def by_hand_wide(depth: int, k: int) -> int:
    blocks, before, total = (depth - 4) // 6, 16, 3 * 16 * 9
    for after in (16 * k, 32 * k, 64 * k):
        convolutions = 9 * after * (before + (2 * blocks - 1) * after) + (before * after if before != after else 0)
        norms = 2 * before + 2 * after * (2 * blocks - 1)
        total, before = total + convolutions + norms, after
    return total + 2 * before + 100 * (before + 1)


def by_hand_vgg(depth: int) -> int:
    plans = {
        8: "64 128 256 512 512",
        11: "64 128 256 256 512 512 512 512",
        13: "64 64 128 128 256 256 512 512 512 512",
        16: "64 64 128 128 256 256 256 512 512 512 512 512 512",
        19: "64 64 128 128 256 256 256 256 512 512 512 512 512 512 512 512",
    }
    total, before = 0, 3
    for after in map(int, plans[depth].split()):
        total, before = total + conv(before, after) + after, after  # here convolutions have a bias, too
    return total + 513 * 100


def by_hand_mobile() -> int:
    total, before = conv(3, 16), 16
    for after, repeats in ((8, 1), (12, 2), (16, 3), (32, 4), (48, 3), (80, 3), (160, 1)):
        for _ in range(repeats):
            middle = before * (1 if after == 8 else 6)
            total += conv(before, middle, 1) + conv(middle, middle, 3, middle) + conv(middle, after, 1)
            before = after
    return total + conv(160, 1280, 1) + 1281 * 100


def by_hand_shuffle_v1() -> int:
    total, before = conv(3, 24, 1), 24
    for after, repeats in ((240, 4), (480, 8), (960, 4)):
        for place in range(repeats):
            new = after - before if place == 0 else after
            total += conv(before, new // 4, 1, 1 if before == 24 else 3)
            total += conv(new // 4, new // 4, 3, new // 4) + conv(new // 4, new, 1, 3)
            before = after
    return total + 961 * 100


def by_hand_shuffle_v2() -> int:
    total, before = conv(3, 24, 1), 24
    for after, repeats in ((116, 3), (232, 7), (464, 3)):
        half = after // 2
        total += conv(before, before, 3, before) + conv(before, half, 1)
        total += conv(before, half, 1) + conv(half, half, 3, half) + conv(half, half, 1)
        total += repeats * (2 * conv(half, half, 1) + conv(half, half, 3, half))
        before = after
    return total + conv(464, 1024, 1) + 1025 * 100


def by_hand_imagenet(blocks: tuple[int, ...], is_narrow: bool) -> int:
    total, before = conv(3, 64), 64
    for width, count in zip((64, 128, 256, 512), blocks, strict=True):
        for _ in range(count):
            after = 4 * width if is_narrow else width
            total += conv(before, after, 1) if before != after else 0
            if is_narrow:
                total += conv(before, width, 1) + conv(width, width) + conv(width, after, 1)
            else:
                total += conv(before, width) + conv(width, width)
            before = after
    return total + 100 * before + 100


@pytest.mark.parametrize("depth", [8, 14, 20, 32, 44, 56, 110])
@pytest.mark.parametrize("k", [1, 2, 4])
def test_residual_networks_count_as_by_hand(depth: int, k: int) -> None:
    assert parameters(model("resnet", depth=str(depth), widening=k)) == by_hand_resnet(depth, k)


@pytest.mark.parametrize("depth", [10, 16, 22, 28, 40])
@pytest.mark.parametrize("k", [1, 2, 10])
def test_wide_residual_networks_count_as_by_hand(depth: int, k: int) -> None:
    assert parameters(model("wide_resnet", depth=str(depth), widening=k)) == by_hand_wide(depth, k)


@pytest.mark.parametrize("depth", [8, 11, 13, 16, 19])
def test_vgg_counts_as_by_hand(depth: int) -> None:
    assert parameters(model("vgg", depth=str(depth))) == by_hand_vgg(depth)


def test_mobile_networks_count_as_by_hand() -> None:
    assert parameters(model("mobilenet")) == by_hand_mobile()
    assert parameters(model("shufflenet_v1")) == by_hand_shuffle_v1()
    assert parameters(model("shufflenet_v2")) == by_hand_shuffle_v2()


@pytest.mark.parametrize(
    ("depth", "blocks"), [("18", (2, 2, 2, 2)), ("34", (3, 4, 6, 3)), ("50", (3, 4, 6, 3)), ("101", (3, 4, 23, 3))]
)
def test_imagenet_networks_count_as_by_hand(depth: str, blocks: tuple[int, ...]) -> None:
    assert parameters(model("imagenet_resnet", depth=depth)) == by_hand_imagenet(blocks, depth in {"50", "101"})


@pytest.mark.parametrize("name", ["resnet", "wide_resnet", "vgg", "mobilenet", "shufflenet_v1", "shufflenet_v2"])
def test_convolutions_begin_with_the_spread_of_he_initialisation(name: str) -> None:
    torch.manual_seed(0)
    large = [m for m in model(name).build(INPUT, 10).modules() if isinstance(m, nn.Conv2d) and m.weight.numel() > 2000]
    assert large
    for layer in large:
        wanted = math.sqrt(2 / (layer.out_channels * layer.kernel_size[0] ** 2))
        assert float(layer.weight.detach().std()) == pytest.approx(wanted, rel=0.1)
