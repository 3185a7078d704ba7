"""Attention map transfer between transformers (as in MiniLM), a match of what each patch looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from kd_core.base.options import boolean
from kd_core.methods import FeatureMethod, Match, Pair, weight_option
from kd_core.nn.hooks import attention_shapes, format_shape


def attention_maps(student_maps: Tensor, teacher_maps: Tensor, per_head: bool = False) -> Tensor:
    r"""Return KL(teacher‖student) of attention distributions in nats, mean over batch, heads and tokens.

    .. math:: \tfrac{1}{A L} \sum_{a, i} \mathrm{KL}(A^\text{teacher}_{a, i} \,\|\, A^\text{student}_{a, i})

    Maps (B, heads, L, L), whose rows sum to 1. They are averaged over the heads first, unless both networks have as
    many and ``per_head`` is set. No gradient reaches the teacher's. Wang et al., "MiniLM: Deep Self-Attention
    Distillation for Task-Agnostic Compression of Pre-Trained Transformers" (2020), equation 3.
    """
    student, teacher = student_maps, teacher_maps.detach()
    if not per_head:
        student, teacher = student.mean(1), teacher.mean(1)
    least = torch.finfo(student.dtype).tiny  # a softmax can be exactly 0
    ratio = teacher.clamp(min=least).log() - student.clamp(min=least).log()
    return (teacher * ratio).sum(-1).mean()


@dataclass(frozen=True)
class AttentionMaps(FeatureMethod):
    title: ClassVar[str] = "Attention maps (MiniLM)"
    aliases: ClassVar[tuple[str, ...]] = ("MiniLM",)
    summary: ClassVar[str] = "Match which tokens each token of a transformer looks at, in the last block."
    family: ClassVar[str] = "feature"
    paper: ClassVar[str] = "Wang et al. 2020, section 3.1"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{CE} + \tfrac{w}{A L} \textstyle\sum_{a, i}"
        r" \mathrm{KL}(A^\text{teacher}_{a, i} \,\Vert\, A^\text{student}_{a, i})"
    )
    requires: ClassVar[str] = "transformers that cut the image into the same patches"
    defaults_source: ClassVar[str] = (
        "The last block alone, as in the paper, which compares every head by itself and adds the relations of the "
        "values; averaged heads and the weight 10 are ours."
    )
    pitfall: ClassVar[str] = "Equal attention is not equal output: what the tokens hold is not compared."
    part_name: ClassVar[str] = "attention maps"
    symbol: ClassVar[str] = r"\mathrm{KL}(A_\text{teacher} \,\Vert\, A_\text{student})"
    needs_maps: ClassVar[bool] = False

    weight: float = weight_option(10.0, "the attention maps")
    per_head: bool = boolean(False, "Compare every head by itself; both networks need as many.", label="Each head")

    def unsupported_reason(self, pair: Pair) -> str:
        sides = [
            attention_shapes(model, pair.shape, pair.classes) if model.attention_layers() else {}
            for model in (pair.student, pair.teacher)
        ]
        for role, model, shapes in zip(("student", "teacher"), (pair.student, pair.teacher), sides, strict=True):
            if not shapes:
                return f"needs the attention maps of two transformers, and the {role}, {model.label()}, has none"
        if reason := super().unsupported_reason(pair):
            return reason
        for match in self.matches(pair):
            for shapes, layer in zip(sides, (match.student, match.teacher), strict=True):
                if layer not in shapes:
                    return f"compares attention maps, and {layer} has none: choose from {', '.join(shapes)}"
            first, second = sides[0][match.student], sides[1][match.teacher]
            if first[1:] != second[1:] or (self.per_head and first != second):
                listed = f"the student’s have {format_shape(first)}, the teacher’s {format_shape(second)}"
                kind = "of as many heads over the same tokens" if self.per_head else "over the same tokens"
                return f"compares attention maps {kind}, and {listed}"
        return ""

    def default_matches(self, pair: Pair) -> tuple[Match, ...]:
        """Return the last layers with attention maps; without any the last stages, which are then refused."""
        ends = [[*model.attention_layers()][-1:] for model in (pair.student, pair.teacher)]
        if all(ends):
            return (Match(ends[0][0], ends[1][0]),)
        return super().default_matches(pair)[-1:]

    def default_reason(self, pair: Pair) -> str:  # noqa: ARG002
        return ""

    def feature_layers(self, pair: Pair) -> Mapping[str, str]:
        """Return the attention maps of the layers in the place of their features."""
        return pair.student.attention_layers()

    def teacher_layers(self, pair: Pair) -> Mapping[str, str]:
        return pair.teacher.attention_layers()

    def compare(self, student_features: Tensor, teacher_features: Tensor) -> Tensor:
        return attention_maps(student_features, teacher_features, self.per_head)
