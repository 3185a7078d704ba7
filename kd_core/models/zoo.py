"""Torchvision networks, untrained or with ImageNet weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from torch import nn

from kd_core.base.options import boolean, choice, integer
from kd_core.models import Model
from kd_core.models._layers import unsupported_image_reason
from kd_core.models._torchvision_stages import (
    ARCHITECTURES,
    adapt_first_convolution,
    join_stages,
    original_names,
    split_into_stages,
)

NOTHING, BODY = "nothing", "all but the head"
STAGES = ("stem", *(f"stage {number}" for number in range(1, 6)))
# Networks of one kind from large to small.
LINES = (("resnet50", "resnet34", "resnet18"), ("vgg16_bn", "vgg11_bn"), ("mobilenet_v3_large", "mobilenet_v3_small"))


@dataclass(frozen=True)
class TorchvisionModel(Model):
    """Network of torchvision.

    The named layers are the maps of the stages and the input of the last linear layer. Embeddings are recorded before a
    dropout that precedes the last layer.
    """

    title: ClassVar[str] = "torchvision network"
    summary: ClassVar[str] = "Well-known networks for photographs, untrained or pretrained on ImageNet."
    family: ClassVar[str] = "torchvision"

    network: str = choice("resnet18", tuple(ARCHITECTURES), "Architecture, by torchvision's name.")
    pretrained: bool = boolean(False, "Start from torchvision's default ImageNet weights, which are downloaded once.")
    frozen: str = choice(
        NOTHING, (NOTHING, *STAGES, BODY), "Frozen part, from the input up to and including this stage."
    )
    image_size: int = integer(
        0, 0, 512, "Images are resized to this many pixels each way before the first layer; 0: unchanged."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        names = ARCHITECTURES[self.network].names
        if self.frozen in STAGES and self.frozen not in names:
            title = ARCHITECTURES[self.network].title
            raise ValueError(f"frozen = {self.frozen}: {title} has {', '.join(names)}; choose one of these.")

    def unsupported_reason(self, shape: tuple[int, ...]) -> str:
        min_size = ARCHITECTURES[self.network].min_size
        resized = (shape[0], self.image_size, self.image_size) if len(shape) == 3 and self.image_size else shape
        if not ARCHITECTURES[self.network].has_maps and len(shape) == 3 and resized[1:] != (min_size, min_size):
            size = f"{min_size} × {min_size}"
            return f"cuts images of exactly {size} pixels into patches: choose an image size of {min_size}"
        reason = unsupported_image_reason(resized, min_size)
        return f"{reason}: choose an image size of {min_size} or more" if reason and len(shape) == 3 else reason

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        """Build the network. Raises ValueError where pretrained weights are not available."""
        stages = split_into_stages(self.network, shape[0], classes, is_pretrained=self.pretrained)
        frozen, size = self._frozen(list(stages)), (self.image_size, self.image_size)
        if self.image_size and shape[1:] != size:
            stages, frozen = {"resize": [nn.Upsample(size=size, mode="bilinear")], **stages}, frozen + 1
        return join_stages(stages, frozen)

    def initial_weights_code(self, shape: tuple[int, ...], classes: int) -> str:
        lines = [
            "import torchvision",
            "",
            f'source = torchvision.models.get_model("{self.network}", weights=None, num_classes={classes})',
        ]
        if self.pretrained:
            lines += [
                f'weights = torchvision.models.get_model_weights("{self.network}").DEFAULT',
                "loaded = weights.get_state_dict(progress=False)",
                "state = source.state_dict()",
                "matching = {key: value for key, value in loaded.items() if state[key].shape == value.shape}",
                "source.load_state_dict(state | matching)",
            ]
        if shape[0] != 3:
            lines += [
                "modules = source.named_modules()",
                "path, first = next((key, module) for key, module in modules if isinstance(module, nn.Conv2d))",
                f"source.set_submodule(path, {adapt_first_convolution.__name__}(first, {shape[0]}, {self.pretrained}))",
            ]
        return "\n".join(lines)

    def foreign_names(self, shape: tuple[int, ...], classes: int) -> Sequence[Mapping[str, str]]:
        return (original_names(self.network, shape[0], classes),)

    def timm_name(self) -> str:
        return ARCHITECTURES[self.network].timm

    def _frozen(self, names: list[str]) -> int:
        """Return the number of frozen stages."""
        if self.frozen in STAGES:
            return names.index(self._path(self.frozen)) + 1
        return len(names) - 1 if self.frozen == BODY else 0

    @staticmethod
    def _path(stage: str) -> str:
        return stage.replace(" ", "")

    def feature_layers(self) -> dict[str, str]:
        source = ARCHITECTURES[self.network]
        if source.has_maps:
            return {name: self._path(name) for name in source.names} | {"embedding": "embedding"}
        return {name: f"{self._path(name)}.3.maps" for name in source.names[1:]} | {"embedding": "embedding"}

    def cuttable_layers(self) -> list[str]:
        return list(self.feature_layers()) if ARCHITECTURES[self.network].has_maps else ["embedding"]

    def without_pretrained(self) -> Self:
        return self.with_values(pretrained=False)

    def scaled(self, factor: float) -> Self:
        """Return the network of the same kind with the nearest parameters, which grow with the square of the widths."""
        line = next((line for line in LINES if self.network in line), (self.network,))
        target = math.log(ARCHITECTURES[self.network].millions * factor**2)
        smaller = line[line.index(self.network) :]
        return self.with_values(
            network=min(smaller, key=lambda name: abs(math.log(ARCHITECTURES[name].millions) - target))
        )

    def label(self) -> str:
        size = f" at {self.image_size}" if self.image_size else ""
        return f"{ARCHITECTURES[self.network].title}{size}, {'pretrained' if self.pretrained else 'torchvision'}"
