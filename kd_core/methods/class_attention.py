"""Class attention transfer (CAT-KD), a match of where each class is seen in the image."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.base.options import boolean, integer
from kd_core.methods import EMBEDDING, LOGITS, LossInputs, Match, Pair, WeightedMethod, weight_option
from kd_core.models import Model
from kd_core.nn.adapters import pool_to_size
from kd_core.nn.hooks import Shape, feature_shapes

LINEAR = (nn.AdaptiveAvgPool2d, nn.Flatten, nn.Dropout, nn.Identity, nn.Linear)  # layers after the last maps


def class_attention(student_maps: Tensor, teacher_maps: Tensor, resolution: int = 2, normalised: bool = True) -> Tensor:
    """Return the mean squared difference of pooled class activation maps over batch, classes and places, unitless.

    Maps (B, K, H, W), one for each class, of any sizes; they are average-pooled to ``resolution`` squared and, unless
    raw values are wanted, divided by their norm over the places. No gradient reaches the teacher's. Guo et al., "Class
    Attention Transfer Based Knowledge Distillation" (2023), section 3.
    """
    size = (resolution, resolution)
    student, teacher = pool_to_size(student_maps, size), pool_to_size(teacher_maps.detach(), size)
    if normalised:
        student, teacher = F.normalize(student.flatten(2), dim=2), F.normalize(teacher.flatten(2), dim=2)
    return F.mse_loss(student, teacher)


def class_maps(features: Tensor, weight: Tensor) -> Tensor:
    """Return class activation maps (B, K, H, W), whose mean over the places is the logit without its bias.

    From the last feature maps (B, C, H', W') and the ``weight`` of the last layer, (K, C) after averaging or
    (K, C · H · W) after pooling to H × W and flattening. Zhou et al., "Learning Deep Features for Discriminative
    Localization" (2016), equation 2; after flattening, each place has weights of its own.
    """
    side = math.isqrt(weight.shape[1] // features.shape[1])
    if side == 1:
        return torch.einsum("bchw,kc->bkhw", features, weight)
    places = pool_to_size(features, (side, side))
    return side**2 * torch.einsum("bchw,kchw->bkhw", places, weight.view(len(weight), *places.shape[1:]))


@dataclass(frozen=True)
class ClassAttention(WeightedMethod):
    title: ClassVar[str] = "Class attention (CAT-KD)"
    aliases: ClassVar[tuple[str, ...]] = ("CAT-KD",)
    summary: ClassVar[str] = (
        "Match where in the image each class is seen: the contribution of every place to every logit."
    )
    family: ClassVar[str] = "feature"
    paper: ClassVar[str] = "Guo et al. 2023, section 3"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{CE} + w\,\mathrm{MSE}(\hat M_\text{student}, \hat M_\text{teacher}),\;"
        r" M_k = \textstyle\sum_c W_{kc} F_c"
    )
    requires: ClassVar[str] = (
        "networks whose last feature maps become logits by pooling or flattening and one linear layer"
    )
    defaults_source: ClassVar[str] = (
        "The authors' code: weight 400, maps of 2 × 2, divided by their norm. 7 of its 13 configurations leave the "
        "norm out, and the weights run from 0.5 to 600."
    )
    pitfall: ClassVar[str] = "Norm, weight and resolution belong together: raw maps need a far smaller weight."
    part_name: ClassVar[str] = "class maps"
    symbol: ClassVar[str] = r"\mathrm{MSE}(\hat M_\text{student}, \hat M_\text{teacher})"

    weight: float = weight_option(400.0, "the class maps", 10_000.0)
    resolution: int = integer(2, 1, 32, "Height and width of the maps that are compared.")
    normalised: bool = boolean(True, "Divide each map by its norm, so that the sizes of the logits do not matter.")

    def unsupported_reason(self, pair: Pair) -> str:
        for role, model in (("student", pair.student), ("teacher", pair.teacher)):
            if not _last_maps(model, pair.shape, pair.classes):
                return f"needs {self.requires}, and the {role} does not end in this way: {pair.listed}"
        return ""

    def matches(self, pair: Pair) -> tuple[Match, ...]:
        return (Match(*(_last_maps(model, pair.shape, pair.classes) for model in (pair.student, pair.teacher))),)

    def distillation_loss(self, signals: LossInputs) -> Tensor:
        assert signals.student_classifier is not None
        assert signals.teacher_classifier is not None
        student = class_maps(signals.student_features[signals.matches[0].student], signals.student_classifier)
        teacher = class_maps(signals.teacher_features[signals.matches[0].teacher], signals.teacher_classifier)
        return class_attention(student, teacher, self.resolution, self.normalised)


@functools.lru_cache(maxsize=256)
def _last_maps(model: Model, shape: Shape, classes: int) -> str:
    """Return the layer whose maps turn into logits by nothing but a pooling and a linear layer; empty without one."""
    shapes = feature_shapes(model, shape, classes)
    layers = [layer for layer in shapes if layer not in {EMBEDDING, LOGITS}]
    if not layers or len(shapes[layers[-1]]) != 3 or model.refusal(shape, classes, is_split=True):
        return ""
    if layers[-1] not in model.cuttable_layers():
        return ""
    with torch.device("meta"):
        _, head = model.split(model.build(shape, classes), layers[-1])
    is_linear = all(isinstance(module, LINEAR) for module in head.modules() if not [*module.children()])
    return layers[-1] if is_linear and math.prod(shapes[layers[-1]][1:]) > 1 else ""
