"""Torchvision networks split into stages, for any number of channels and classes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kd_core.base.paths import NotAvailableError
from kd_core.models import Frozen
from kd_core.models.vit import ClassToken, WithMaps

Stages = dict[str, Sequence[nn.Module]]  # by name, from the input to the output; the last are "embedding" and "head"


def _resnet(network: Any) -> Stages:
    stem = [network.conv1, network.bn1, network.relu, network.maxpool]
    stages = {f"stage{number}": list(network.get_submodule(f"layer{number}")) for number in range(1, 5)}
    return {"stem": stem, **stages, "embedding": [network.avgpool, nn.Flatten()], "head": [network.fc]}


def _vgg(network: Any) -> Stages:
    """Split a VGG; a pooling belongs to the stage after it, so that a stage ends with its maps as elsewhere."""
    stages: dict[str, list[nn.Module]] = {"stage1": []}
    for layer in network.features:
        if isinstance(layer, nn.MaxPool2d):
            stages[f"stage{len(stages) + 1}"] = []
        list(stages.values())[-1].append(layer)
    (_, pooling) = stages.popitem()
    *hidden, dropout, last = network.classifier
    return {**stages, "embedding": [*pooling, network.avgpool, nn.Flatten(), *hidden], "head": [dropout, last]}


def _cut(*ends: int) -> Callable[[Any], Stages]:
    """Return a function that splits a list of features at the ends of stem and stages; the rest is the last layer."""

    def stages(network: Any) -> Stages:
        features, starts = list(network.features), (0, *ends)
        named = ["stem", *(f"stage{number}" for number in range(1, len(ends)))]
        result: Stages = {name: features[a:b] for name, a, b in zip(named, starts, ends, strict=False)}
        if features[ends[-1] :]:
            result["last"] = features[ends[-1] :]
        # MobileNetV2 has no pooling layer.
        pool = getattr(network, "avgpool", None) or nn.AdaptiveAvgPool2d(1)
        hidden = list(network.classifier)
        head = [hidden.pop()]
        if hidden and isinstance(hidden[-1], nn.Dropout):  # dropout is not a part of the embedding
            head.insert(0, hidden.pop())
        if not any(isinstance(layer, nn.Flatten) for layer in hidden):
            hidden.insert(0, nn.Flatten())
        return {**result, "embedding": [pool, *hidden], "head": head}

    return stages


def _shufflenet(network: Any) -> Stages:
    stages = {f"stage{number}": list(network.get_submodule(f"stage{number + 1}")) for number in range(1, 4)}
    stem, last = [network.conv1, network.maxpool], [network.conv5]
    ends = {"embedding": [nn.AdaptiveAvgPool2d(1), nn.Flatten()], "head": [network.fc]}
    return {"stem": stem, **stages, "last": last, **ends}


class Patches(nn.Module):
    """Patch embedding from images (B, C, H, W) to tokens (B, 1 + N, D), a class token and N patches with positions."""

    def __init__(self, projection: nn.Module, token: nn.Parameter, positions: nn.Parameter) -> None:
        super().__init__()
        self.projection, self.token, self.positions = projection, token, positions

    def forward(self, images: Tensor) -> Tensor:
        patches: Tensor = self.projection(images).flatten(2).transpose(1, 2)
        return torch.cat([self.token.expand(patches.shape[0], -1, -1), patches], 1) + self.positions


def _vit(network: Any) -> Stages:
    encoder = network.encoder
    stem = [Patches(network.conv_proj, network.class_token, encoder.pos_embedding), encoder.dropout]
    layers, side = list(encoder.layers), network.image_size // network.patch_size
    stages = {f"stage{place + 1}": [*layers[3 * place : 3 * place + 3], WithMaps(side, side)] for place in range(4)}
    return {"stem": stem, **stages, "embedding": [encoder.ln, ClassToken()], "head": [network.heads.head]}


@dataclass(frozen=True)
class Architecture:
    """One of torchvision's networks."""

    title: str  # on screen
    min_size: int  # of an image, in pixels
    millions: float  # of parameters for ImageNet
    stages: Callable[[Any], Stages]
    names: tuple[str, ...] = ("stem", "stage 1", "stage 2", "stage 3", "stage 4")
    has_maps: bool = True  # whether the stages compute maps, or else tokens that are shown as maps
    timm: str = ""  # timm's name of the same network; empty if it has none


# Smaller images could not be halved often enough, below 17 pixels where halving rounds up, 32 where it rounds down.
ARCHITECTURES = {
    "resnet18": Architecture("ResNet-18", 17, 11.7, _resnet, timm="resnet18"),
    "resnet34": Architecture("ResNet-34", 17, 21.8, _resnet, timm="resnet34"),
    "resnet50": Architecture("ResNet-50", 17, 25.6, _resnet, timm="resnet50"),
    "vgg11_bn": Architecture(
        "VGG-11-BN", 32, 132.9, _vgg, tuple(f"stage {number}" for number in range(1, 6)), timm="vgg11_bn"
    ),
    "vgg16_bn": Architecture(
        "VGG-16-BN", 32, 138.4, _vgg, tuple(f"stage {number}" for number in range(1, 6)), timm="vgg16_bn"
    ),
    "mobilenet_v2": Architecture("MobileNetV2", 17, 3.5, _cut(2, 4, 7, 14, 18), timm="mobilenetv2_100"),
    "mobilenet_v3_small": Architecture(
        "MobileNetV3 small", 17, 2.5, _cut(1, 2, 4, 9, 12), timm="mobilenetv3_small_100"
    ),
    "mobilenet_v3_large": Architecture(
        "MobileNetV3 large", 17, 5.5, _cut(2, 4, 7, 13, 16), timm="mobilenetv3_large_100"
    ),
    "shufflenet_v2_x1_0": Architecture("ShuffleNetV2", 17, 2.3, _shufflenet, ("stem", "stage 1", "stage 2", "stage 3")),
    "efficientnet_b0": Architecture("EfficientNet-B0", 17, 5.3, _cut(2, 3, 4, 6, 8), timm="efficientnet_b0"),
    "convnext_tiny": Architecture("ConvNeXt-Tiny", 32, 28.6, _cut(1, 2, 4, 6, 8), timm="convnext_tiny"),
    "vit_b_16": Architecture("ViT-B/16", 224, 86.6, _vit, has_maps=False, timm="vit_base_patch16_224"),
}


def split_into_stages(name: str, channels: int, classes: int, *, is_pretrained: bool) -> Stages:
    """Build the stages of a network for ``channels`` and ``classes``.

    ``is_pretrained`` loads torchvision's default weights, except a last layer for other classes, and nothing on the
    meta device. Raises ValueError where the weights are not available.
    """
    title = ARCHITECTURES[name].title
    return ARCHITECTURES[name].stages(whole_network(name, title, channels, classes, is_pretrained=is_pretrained))


def original_names(name: str, channels: int, classes: int) -> dict[str, str]:
    """Return torchvision's names of the tensors of a network, in its order, by their names in :func:`join_stages`."""
    with torch.device("meta"):
        network = whole_network(name, ARCHITECTURES[name].title, channels, classes, is_pretrained=False)
        names = {id(tensor): key for key, tensor in network.state_dict(keep_vars=True).items()}
        joined = join_stages(ARCHITECTURES[name].stages(network), 0).state_dict(keep_vars=True)
    by_original = {names[id(tensor)]: key for key, tensor in joined.items()}
    return {by_original[original]: original for original in names.values()}


def whole_network(name: str, title: str, channels: int, classes: int, *, is_pretrained: bool, **options: object) -> Any:
    """Build torchvision's network, with a first layer for ``channels`` and without operations in place.

    ``is_pretrained`` loads the default weights that fit, and nothing on the meta device; ``options`` are torchvision's.
    Raises ValueError where the weights are not available.
    """
    import torchvision  # slow to import, and needed by these networks alone

    network: Any = torchvision.models.get_model(name, weights=None, num_classes=classes, **options)
    loads = is_pretrained and torch.get_default_device().type != "meta"
    if loads:
        state, weights = network.state_dict(), _weights(name, title)
        # An auxiliary classifier of a segmentation network is not built.
        matching = {key: value for key, value in weights.items() if key in state and state[key].shape == value.shape}
        network.load_state_dict(state | matching)
    if channels != 3:
        path, first = next((key, module) for key, module in network.named_modules() if isinstance(module, nn.Conv2d))
        network.set_submodule(path, adapt_first_convolution(first, channels, loads))
    for module in network.modules():
        if hasattr(module, "inplace"):  # the next layer must not overwrite a recorded feature
            module.inplace = False
    return network


def adapt_first_convolution(old: nn.Conv2d, channels: int, keeps_weights: bool) -> nn.Conv2d:
    """Return the first convolution for another number of channels, with new weights or the old ones.

    The old ones are averaged over the channels and scaled, so that a grey image has the same output as in colour.
    """
    size, stride, padding = old.kernel_size, old.stride, old.padding
    new = nn.Conv2d(channels, old.out_channels, size, stride, padding, bias=old.bias is not None)  # type: ignore[arg-type]
    if keeps_weights:
        with torch.no_grad():
            repeated = old.weight.mean(1, keepdim=True).expand_as(new.weight)
            new.weight.copy_(repeated * 3 / channels)
            if old.bias is not None and new.bias is not None:
                new.bias.copy_(old.bias)
    else:
        nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
        if new.bias is not None:
            nn.init.zeros_(new.bias)
    return new


def _weights(name: str, title: str) -> dict[str, Tensor]:
    """Return torchvision's default weights from torch hub's cache or the internet. Raises ValueError."""
    import torchvision  # slow to import

    weights = torchvision.models.get_model_weights(name).DEFAULT
    try:
        state: dict[str, Tensor] = weights.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:  # no network; a broken file
        file = weights.url.rsplit("/", 1)[-1]
        raise NotAvailableError(
            f"The pretrained weights of {title} are not in torch hub's cache and could not be "
            f"downloaded ({error}): connect this machine once, put {file} into {torch.hub.get_dir()}/checkpoints, or "
            "switch pretrained off."
        ) from error
    return state


def join_stages(stages: Stages, frozen: int) -> nn.Sequential:
    """Return the stages as one network, each under its name; the first ``frozen`` of them are frozen."""
    parts = (
        (name, (Frozen if index < frozen else nn.Sequential)(*layers))
        for index, (name, layers) in enumerate(stages.items())
    )
    return nn.Sequential(OrderedDict(parts))
