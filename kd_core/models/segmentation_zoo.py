"""Segmentation networks of torchvision, untrained or with weights of photographs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.base.options import boolean, choice, integer
from kd_core.models._dense import DenseModel, LogitsLast
from kd_core.models._layers import unsupported_image_reason
from kd_core.models._torchvision_stages import whole_network
from kd_core.tasks.segmentation import LOGITS_MAP


class Architecture(NamedTuple):
    """One of torchvision's segmentation networks."""

    title: str  # on screen
    millions: float  # of parameters for the 21 classes of its weights
    stages: tuple[str, ...]  # paths in the backbone


RESNET = ("relu", "layer1", "layer2", "layer3", "layer4")
MOBILENET = ("1", "3", "6", "12", "16")
# From large to small; teaching assistants and trials of presets take a smaller one.
ARCHITECTURES = {
    "deeplabv3_resnet101": Architecture("DeepLabV3 ResNet-101", 58.6, RESNET),
    "fcn_resnet101": Architecture("FCN ResNet-101", 51.9, RESNET),
    "deeplabv3_resnet50": Architecture("DeepLabV3 ResNet-50", 39.6, RESNET),
    "fcn_resnet50": Architecture("FCN ResNet-50", 33.0, RESNET),
    "deeplabv3_mobilenet_v3_large": Architecture("DeepLabV3 MobileNetV3", 11.0, MOBILENET),
    "lraspp_mobilenet_v3_large": Architecture("LR-ASPP MobileNetV3", 3.2, MOBILENET),
}
SMALLEST = 16  # pixels of an image; dilated backbones halve it three or four times


class TorchvisionSegmenter(nn.Module):
    """Network of torchvision from images (B, C, H, W) to logits (B, H, W, K).

    Args:
        network: Returns maps of logits (B, K, h, w) under "out".
        size: Pixels each way to which images are resized before it; 0 for none.
    """

    max_examples = 32  # per forward pass without gradient, since dilated backbones have many large maps

    def __init__(self, network: nn.Module, size: int) -> None:
        super().__init__()
        self.network, self.size = network, size
        self.logits_map, self.last = nn.Identity(), LogitsLast()

    def forward(self, images: Tensor) -> Tensor:
        size = images.shape[2:]
        resized = F.interpolate(images, (self.size, self.size), mode="bilinear") if self.size else images
        maps = self.network(resized)["out"]
        logits: Tensor = self.last(self.logits_map(F.interpolate(maps, size, mode="bilinear") if self.size else maps))
        return logits


@dataclass(frozen=True)
class TorchvisionSegmentation(DenseModel):
    """FCN (Long et al. 2015), DeepLabV3 (Chen et al. 2017) and LR-ASPP (Howard et al. 2019, section 6.4)."""

    title: ClassVar[str] = "torchvision segmentation network"
    aliases: ClassVar[tuple[str, ...]] = ("FCN", "DeepLabV3", "LR-ASPP")
    summary: ClassVar[str] = "Well-known segmentation networks, untrained or pretrained on photographs."

    network: str = choice("lraspp_mobilenet_v3_large", tuple(ARCHITECTURES), "Architecture, by torchvision's name.")
    pretrained: bool = boolean(
        False, "Start from torchvision's weights of COCO photographs with 21 classes, which are downloaded once."
    )
    image_size: int = integer(
        0, 0, 512, "Images are resized to this many pixels each way before the first layer; 0: unchanged."
    )

    def unsupported_reason(self, shape: tuple[int, ...]) -> str:
        resized = (shape[0], self.image_size, self.image_size) if len(shape) == 3 and self.image_size else shape
        return unsupported_image_reason(resized, SMALLEST)

    def refusal(self, shape: tuple[int, ...], classes: int, *, is_trained: bool = False, is_split: bool = False) -> str:
        if is_split:
            return "resizes its last maps to those of the image, so that it cannot be cut before them"
        return super().refusal(shape, classes, is_trained=is_trained)

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        """Build the network. Raises ValueError where pretrained weights are not available."""
        return TorchvisionSegmenter(self._network(shape[0], classes, is_pretrained=self.pretrained), self.image_size)

    def _network(self, channels: int, classes: int, *, is_pretrained: bool) -> Any:
        title = ARCHITECTURES[self.network].title
        return whole_network(
            self.network, title, channels, classes, is_pretrained=is_pretrained, weights_backbone=None, aux_loss=False
        )

    def foreign_names(self, shape: tuple[int, ...], classes: int) -> Sequence[Mapping[str, str]]:
        with torch.device("meta"):
            network = self._network(shape[0], classes, is_pretrained=False)
        return ({f"network.{name}": name for name in network.state_dict()},)

    def feature_layers(self) -> dict[str, str]:
        names = ("stem", "stage 1", "stage 2", "stage 3", "stage 4")
        paths = ARCHITECTURES[self.network].stages
        stages = {name: f"network.backbone.{path}" for name, path in zip(names, paths, strict=True)}
        return {**stages, LOGITS_MAP: "logits_map"}

    def without_pretrained(self) -> Self:
        return self.with_values(pretrained=False)

    def scaled(self, factor: float) -> Self:
        """Return the largest network with at most this fraction of the parameters to the power of a half."""
        most = ARCHITECTURES[self.network].millions * factor**2
        fitting = [name for name, architecture in ARCHITECTURES.items() if architecture.millions <= most]
        return self.with_values(network=(fitting or [*ARCHITECTURES][-1:])[0])

    def label(self) -> str:
        size = f" at {self.image_size}" if self.image_size else ""
        title = ARCHITECTURES[self.network].title
        return f"{title}{size}, {'pretrained' if self.pretrained else 'torchvision'}"
