"""Distillation token (DeiT), with which a vision transformer learns the teacher's answers beside the labels."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from kd_core.base.options import choice
from kd_core.methods import (
    EMBEDDING,
    LOGITS,
    LossInputs,
    LossPart,
    Pair,
    WeightedMethod,
    label_weight_option,
    temperature_option,
    weight_option,
)
from kd_core.methods.hard_labels import hard_labels
from kd_core.methods.soft_targets import soft_targets
from kd_core.models import with_article

HARD, SOFT = "top class", "soft targets"


def distillation_token(
    token_logits: Tensor, teacher_logits: Tensor, targets: str = HARD, temperature: float = 3.0
) -> Tensor:
    """Return what the distillation token minimises, in nats, mean over the batch.

    It is the cross-entropy with the teacher's top class or, with soft targets, T² · KL. Logits (B, K); no gradient
    reaches the teacher's. Touvron et al., "Training data-efficient image transformers & distillation through
    attention" (2021), section 4, equations 2 and 3.
    """
    if targets == SOFT:
        return soft_targets(token_logits, teacher_logits, temperature)
    return hard_labels(token_logits, teacher_logits)


class WithToken(nn.Module):
    """Patch embedding with a class token, and a learned distillation token as the second of its tokens (B, L, D)."""

    def __init__(self, patches: nn.Module, width: int) -> None:
        super().__init__()
        self.patches, self.token = patches, nn.Parameter(0.02 * torch.randn(1, 1, width))

    def forward(self, images: Tensor) -> Tensor:
        tokens: Tensor = self.patches(images)
        token = self.token.expand(tokens.shape[0], -1, -1)
        return torch.cat([tokens[:, :1], token, tokens[:, 1:]], 1)


class TwoHeads(nn.Module):
    """Logits (B, 2, K) of the first two of some tokens (B, L, D), each with a linear layer of its own."""

    def __init__(self, class_head: nn.Module, distillation_head: nn.Module) -> None:
        super().__init__()
        self.class_head, self.distillation_head = class_head, distillation_head

    def forward(self, tokens: Tensor) -> Tensor:
        return torch.stack([self.class_head(tokens[:, 0]), self.distillation_head(tokens[:, 1])], 1)


class Answer(nn.Module):
    """Mean (B, K) of the logits (B, 2, K) of two heads; in training those of the first, as in the authors' code."""

    def forward(self, logits: Tensor) -> Tensor:
        return logits[:, 0] if self.training else logits.mean(1)


@dataclass(frozen=True)
class DistillationToken(WeightedMethod):
    title: ClassVar[str] = "Distillation token (DeiT)"
    aliases: ClassVar[tuple[str, ...]] = ("DeiT",)
    summary: ClassVar[str] = (
        "Give a vision transformer a second token that learns the teacher's answers, while its class token learns the "
        "labels; the student answers with the mean of both."
    )
    family: ClassVar[str] = "response"
    needs_class_per_example: ClassVar[bool] = True
    paper: ClassVar[str] = "Touvron et al. 2021, section 4"
    formula: ClassVar[str] = r"\lambda\,\mathrm{CE}(q^\text{class}, y) + w\,\mathrm{CE}(q^\text{token}, \arg\max_k p_k)"
    requires: ClassVar[str] = "a student with a class token, labels, and logits of the teacher"
    defaults_source: ClassVar[str] = (
        "Half of the loss for either token, and the teacher's top class: the paper. Its soft form has T 3 and gives "
        "the teacher a tenth. The paper adds probabilities at test time, its code averages logits, as here."
    )
    pitfall: ClassVar[str] = "The second token and its head are a part of the trained student and of its cost."
    part_name: ClassVar[str] = "token"

    label_weight: float = label_weight_option(0.5)
    temperature: float = temperature_option(3.0, "Temperature of the soft targets of either kind.")
    weight: float = weight_option(0.5, "the distillation token")
    targets: str = choice(HARD, (HARD, SOFT), "What the distillation token learns of the teacher, hard or soft.")

    def latex_term(self) -> str:
        if self.targets == HARD:
            return r"\mathrm{CE}(q^\text{token}, \arg\max_k p_k)"
        return rf"{self.temperature:g}^2 \cdot \mathrm{{KL}}^\text{{token}}_{{T={self.temperature:g}}}"

    def unsupported_reason(self, pair: Pair) -> str:
        if pair.student.token_layers()[0]:
            return ""
        return f"needs a student with a class token, and {with_article(pair.student.label())} has none"

    def build(self, pair: Pair) -> nn.Module:
        """Build the student with another token and another head, drawn after its own weights."""
        network = super().build(pair)
        assert isinstance(network, nn.Sequential), "as Model.token_layers() promises"
        names = [name for name, _ in network.named_children()]
        first, last = (names.index(name) + 1 for name in pair.student.token_layers())
        width = pair.student_shapes[EMBEDDING][0]
        tokens, head = WithToken(network[:first], width), nn.Linear(width, pair.classes)
        return nn.Sequential(
            OrderedDict(
                tokens=tokens, body=network[first:last], heads=TwoHeads(network[last + 1 :], head), answer=Answer()
            )
        )

    def feature_layers(self, pair: Pair) -> Mapping[str, str]:  # noqa: ARG002
        """Return the logits of both tokens, in the place of the answer."""
        return {LOGITS: "heads"}

    def parts(self, signals: LossInputs) -> list[LossPart]:
        # A student without a second token learns both from one answer.
        both = signals.student_features.get(LOGITS)
        of_token = signals.student_logits if both is None else both[:, 1]
        token = distillation_token(of_token, signals.teacher_logits, self.targets, self.temperature)
        return [*self.common_parts(signals), LossPart(self.part_name, self.weight, token)]
