"""Simple recipe (SRD) with a linear projector and batch-normalised embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from kd_core.base.options import number
from kd_core.methods import EmbeddingMethod, soft_weight_option, temperature_option, weight_option
from kd_core.nn.hooks import Shape

EPSILON = 1e-4  # of batch normalisation


def simple_recipe(student_embedding: Tensor, teacher_embedding: Tensor, exponent: float = 4.0) -> Tensor:
    r"""Return twice the logarithm of the summed differences of the normalised embeddings, unitless.

    .. math:: 2 \log \textstyle\sum_{nd} |\hat s - \hat t|^e,\quad
        \hat v = (v - \bar v) / \sqrt{\mathrm{Var}(v) + 10^{-4}}

    Embeddings (B, D) of the same size, the student's after the projector; mean and variance of each dimension are those
    of the batch. The sum runs over batch and dimensions. No gradient reaches the teacher's. Miles & Mikolajczyk,
    "Understanding the Role of the Projector in Knowledge Distillation" (2024), section 3.
    """
    difference = _normalised(student_embedding) - _normalised(teacher_embedding.detach())
    total = difference.abs().pow(exponent).sum()
    # Equal embeddings would give the logarithm of 0.
    return 2 * total.clamp(min=torch.finfo(total.dtype).tiny).log()


def _normalised(embedding: Tensor) -> Tensor:
    centred = embedding - embedding.mean(0)
    return centred / (centred.pow(2).mean(0) + EPSILON).sqrt()


@dataclass(frozen=True)
class SimpleRecipe(EmbeddingMethod):
    title: ClassVar[str] = "Simple recipe (SRD)"
    aliases: ClassVar[tuple[str, ...]] = ("SRD",)
    summary: ClassVar[str] = (
        "Match embeddings through one linear layer, each dimension normalised over the batch, with a logarithm that "
        "keeps the gradient large to the end."
    )
    family: ClassVar[str] = "feature"
    paper: ClassVar[str] = "Miles & Mikolajczyk 2024, section 3"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{CE} + w_\text{soft}\,T^2\,\mathrm{KL}"
        r" + 2 w \log \textstyle\sum_{nd} \lvert \mathrm{BN}(W s) - \mathrm{BN}(t) \rvert^e"
    )
    requires: ClassVar[str] = "embeddings of both networks, the student’s through a linear projector; a whole batch"
    defaults_source: ClassVar[str] = (
        "The authors' code for ImageNet: exponent 4, weights 1, and soft targets with T 1; there with two feature maps."
    )
    pitfall: ClassVar[str] = (
        "The sum inside the logarithm must run over the whole batch: a mean there changes the value, not the gradient."
    )
    part_name: ClassVar[str] = "projector"
    symbol: ClassVar[str] = r"2 \log \textstyle\sum_{nd} \lvert \hat s - \hat t \rvert^e"

    soft_weight: float = soft_weight_option(1.0)
    temperature: float = temperature_option(1.0)
    weight: float = weight_option(1.0, "the embeddings")
    exponent: float = number(
        4.0, 1.0, 8.0, "Power of the differences; a high one punishes the largest most.", step=0.5
    )  # fmt: skip

    def adapter(self, student: Shape, teacher: Shape) -> nn.Module:
        return nn.Linear(student[0], teacher[0])

    def compare(self, student_features: Tensor, teacher_features: Tensor) -> Tensor:
        return simple_recipe(student_features, teacher_features, self.exponent)
