"""Networks of timm by name, untrained or with its weights."""

from __future__ import annotations

import difflib
import functools
import importlib.util
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn

from kd_core.base.options import boolean, integer, text
from kd_core.base.paths import NotAvailableError
from kd_core.models import Model
from kd_core.models.vit import MAX_STAGES, WithMaps

NEEDS_PACKAGE = 'needs timm, which is not installed here: pip install "distillery-lab[timm]"'
DEFAULT = "resnet10t"


class Layers(NamedTuple):
    """Paths of the modules of a network that compute maps, and attention maps, of each stage."""

    maps: tuple[str, ...] = ()
    attention: tuple[str, ...] = ()


@dataclass(frozen=True)
class TimmModel(Model):
    """Network of timm (Wightman 2019) up to its pooled features, and a new linear layer."""

    title: ClassVar[str] = "timm network"
    summary: ClassVar[str] = "Any of timm's thousand networks for images by name, untrained or pretrained."
    family: ClassVar[str] = "torchvision"

    network: str = text(
        DEFAULT, 100, "Name in timm, such as vit_tiny_patch16_224 or resnet18.", label="Network of timm"
    )
    pretrained: bool = boolean(False, "Start from timm's default weights, which are downloaded once.")
    image_size: int = integer(
        0, 0, 1024, "Images are resized to this many pixels each way before the first layer; 0: unchanged."
    )

    def unsupported_reason(self, shape: tuple[int, ...]) -> str:
        if len(shape) != 3:
            return "needs images, and these data are points"
        return _refusal(self.network, self._resized(shape))

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        """Build the network. Raises ValueError where it, or its pretrained weights, are not available."""
        if reason := self.unsupported_reason(shape):
            raise ValueError(f"A timm network {reason}.")
        resized = self._resized(shape)
        body = _body(self.network, resized, is_pretrained=self.pretrained)
        parts: dict[str, nn.Module] = {"resize": nn.Upsample(size=resized[1:], mode="bilinear")}
        if resized == tuple(shape):
            parts = {}
        width = getattr(body, "head_hidden_size", None) or body.num_features
        return nn.Sequential(OrderedDict(parts, embedding=body, head=nn.Linear(width, classes)))

    def feature_layers(self) -> dict[str, str]:
        maps = {f"stage {number}": f"embedding.{path}" for number, path in enumerate(self._layers.maps, start=1)}
        return maps | {"embedding": "embedding"}

    def attention_layers(self) -> dict[str, str]:
        paths = enumerate(self._layers.attention, start=1)
        return {f"stage {number}": f"embedding.{path}" for number, path in paths}

    def cuttable_layers(self) -> list[str]:
        return ["embedding"]

    def without_pretrained(self) -> Self:
        return self.with_values(pretrained=False)

    def label(self) -> str:
        size = f" at {self.image_size}" if self.image_size else ""
        return f"{self.network}{size}, {'pretrained' if self.pretrained else 'timm'}"

    def _resized(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (shape[0], self.image_size, self.image_size) if self.image_size else tuple(shape)

    @property
    def _layers(self) -> Layers:
        return Layers() if _refusal(self.network, (3, 224, 224)) else _layers(self.network)


@functools.lru_cache(maxsize=256)
def _refusal(name: str, shape: tuple[int, ...]) -> str:
    """Return why a network cannot take images of this shape, as the end of a sentence; empty if it can."""
    if importlib.util.find_spec("timm") is None:
        return NEEDS_PACKAGE
    if name == DEFAULT:  # it takes images of any size, and lists of networks should not wait for timm
        return ""
    import timm  # slow to import

    if not timm.is_model(name):
        similar = difflib.get_close_matches(name, timm.list_models(), 3)
        return f"has no network “{name}”: " + (f"choose {', '.join(similar)}" if similar else "see timm.list_models()")
    try:
        with torch.device("meta"), torch.no_grad():
            _body(name, shape, is_pretrained=False).eval()(torch.empty(1, *shape))
    except Exception as error:  # every network has its own checks
        pixels = f"{shape[1]} × {shape[2]}"
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        return f"cannot take images of {pixels} pixels ({reason}): choose a larger image size"
    return ""


def _body(name: str, shape: tuple[int, ...], *, is_pretrained: bool) -> Any:
    """Build a network that ends in its pooled features (B, D)."""
    import timm  # slow to import

    settings: dict[str, Any] = {"in_chans": shape[0], "num_classes": 0}
    facts = timm.get_pretrained_cfg(name)
    if facts is not None and facts.fixed_input_size:
        settings["img_size"] = shape[1:]
    loads = is_pretrained and torch.get_default_device().type != "meta"
    try:
        body: Any = timm.create_model(name, pretrained=loads, **settings)
    except (OSError, RuntimeError) as error:
        if not loads:
            raise
        raise NotAvailableError(
            f"The pretrained weights of {name} are not in the cache of the Hugging Face hub and could not be "
            f"downloaded ({str(error).splitlines()[0]}): connect this machine once, or switch pretrained off."
        ) from error
    for module in body.modules():
        if hasattr(module, "inplace"):  # the next layer must not overwrite a recorded feature
            module.inplace = False
        if hasattr(module, "fused_attn"):  # which computes no attention maps that could be recorded
            module.fused_attn = False
    for place in _last_blocks(body):
        body.blocks[place] = nn.Sequential(body.blocks[place], WithMaps(*body.patch_embed.grid_size))
    return body


def _last_blocks(body: Any) -> list[int]:
    """Return the places of the last blocks of the stages of a plain vision transformer; none in other networks."""
    if not isinstance(getattr(body, "blocks", None), nn.Sequential) or not hasattr(body, "patch_embed"):
        return []
    if getattr(body.patch_embed, "grid_size", None) is None or not hasattr(body.blocks[0], "attn"):
        return []
    count = min(MAX_STAGES, len(body.blocks))
    return [len(body.blocks) * (place + 1) // count - 1 for place in range(count)]


@functools.lru_cache(maxsize=64)
def _layers(name: str) -> Layers:
    """Return the layers with maps of a network, as found on images of its default size."""
    if name == DEFAULT:
        return Layers(("act1", "layer1", "layer2", "layer3", "layer4"))
    with torch.device("meta"), torch.no_grad():
        body = _body(name, (3, 224, 224), is_pretrained=False).eval()
        if places := _last_blocks_of_built(body):
            has_maps = hasattr(body.blocks[places[-1]][0].attn, "attn_drop")
            attention = tuple(f"blocks.{place}.0.attn.attn_drop" for place in places) if has_maps else ()
            return Layers(tuple(f"blocks.{place}.1.maps" for place in places), attention)
        shapes: dict[str, int] = {}
        for entry in getattr(body, "feature_info", None) or ():
            path = entry["module"] if isinstance(entry, dict) else ""
            if path and path in dict(body.named_modules()):
                body.get_submodule(path).register_forward_hook(_observer(shapes, path, entry["num_chs"]))
        body(torch.empty(1, 3, 224, 224))
    return Layers(tuple(shapes))


def _last_blocks_of_built(body: Any) -> list[int]:
    blocks = getattr(body, "blocks", ())
    return [place for place, block in enumerate(blocks) if isinstance(block, nn.Sequential) and len(block) == 2
            and isinstance(block[1], WithMaps)]  # fmt: skip


def _observer(shapes: dict[str, int], path: str, channels: int) -> Any:
    def observe(_: nn.Module, __: object, output: object) -> None:
        if isinstance(output, Tensor) and output.dim() == 4 and output.shape[1] == channels:
            shapes[path] = channels

    return observe
