"""Names of Hugging Face transformers' image classifiers, translated to those of torchvision.

ResNetForImageClassification and ViTForImageClassification are the networks of torchvision with other names. A ViT has
queries, keys and values in three matrices instead of one; its names changed with version 5, and both are read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

Rules = tuple[tuple[str, str], ...]

RESNET: Rules = (
    (r"^resnet\.embedder\.embedder\.convolution\.", "conv1."),
    (r"^resnet\.embedder\.embedder\.normalization\.", "bn1."),
    (r"^classifier\.1\.", "fc."),
)
BLOCK = re.compile(
    r"resnet\.encoder\.stages\.(\d+)\.layers\.(\d+)\.(?:layer\.(\d+)|shortcut)\.(convolution|normalization)\.(\w+)"
)
LAYER = r"encoder.layers.encoder_layer_\1."
VIT: Rules = (
    (r"^vit\.embeddings\.cls_token$", "class_token"),
    (r"^vit\.embeddings\.position_embeddings$", "encoder.pos_embedding"),
    (r"^vit\.embeddings\.patch_embeddings\.projection\.", "conv_proj."),
    (r"^vit\.layernorm\.", "encoder.ln."),
    (r"^classifier\.", "heads.head."),
    (r"^vit\.(?:encoder\.layer|layers)\.(\d+)\.", LAYER),
    (r"\.layernorm_before\.", ".ln_1."),
    (r"\.layernorm_after\.", ".ln_2."),
    (r"\.attention\.(?:output\.dense|o_proj)\.", ".self_attention.out_proj."),
    (r"\.(?:intermediate\.dense|mlp\.fc1)\.", ".mlp.0."),
    (r"(\d)\.(?:output\.dense|mlp\.fc2)\.", r"\1.mlp.3."),
)
PROJECTION = re.compile(r"(encoder\.layers\.encoder_layer_\d+)\.attention\.(?:attention\.)?(q|k|v)\w*\.(weight|bias)")


def to_torchvision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors by torchvision's names; those of other networks as they are."""
    if any(key.startswith("resnet.encoder.") for key in state):
        return {_resnet_name(key): value for key, value in state.items()}
    if any(key.startswith("vit.embeddings.") for key in state):
        return _vit(state)
    return dict(state)


def _resnet_name(key: str) -> str:
    match = BLOCK.fullmatch(key)
    if match is None:
        return _renamed(key, RESNET)
    stage, block, layer, kind, tensor = match.groups()
    is_convolution = kind == "convolution"
    name = f"downsample.{0 if is_convolution else 1}"
    if layer is not None:
        name = f"{'conv' if is_convolution else 'bn'}{int(layer) + 1}"
    return f"layer{int(stage) + 1}.{block}.{name}.{tensor}"


def _vit(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    joined: dict[str, dict[str, Tensor]] = {}
    result: dict[str, Tensor] = {}
    for key, value in state.items():
        name = _renamed(key, VIT)
        match = PROJECTION.fullmatch(name)
        if match is None:
            result[name] = value
        else:
            layer, part, kind = match.groups()
            joined.setdefault(f"{layer}.self_attention.in_proj_{kind}", {})[part] = value
    for name, parts in joined.items():
        if parts.keys() == {"q", "k", "v"}:
            result[name] = torch.cat([parts["q"], parts["k"], parts["v"]])
    return result


def _renamed(key: str, rules: Rules) -> str:
    for pattern, replacement in rules:
        key = re.sub(pattern, replacement, key)
    return key
