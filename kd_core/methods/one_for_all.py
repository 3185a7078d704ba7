"""One for all (OFA-KD), with exits of the student's stages that learn the teacher's answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from kd_core.base.options import number
from kd_core.methods import (
    LOGITS,
    LossInputs,
    LossPart,
    Match,
    Pair,
    WeightedMethod,
    log_softmax,
    sum_tensors,
    temperature_option,
    weight_option,
)
from kd_core.nn.hooks import Shape


def one_for_all(
    student_logits: Tensor, teacher_logits: Tensor, labels: Tensor, enhancement: float = 1.0, temperature: float = 1.0
) -> Tensor:
    r"""Return the cross-entropy with the teacher's distribution, its label enhanced, in nats, mean over the batch.

    .. math:: -\sum_k \big((p_k + 1_{k = y})^\varepsilon - 1_{k = y}\big) \log q_k

    The enhancement ε = 1 is the plain cross-entropy; a larger one adds to the label the more the teacher is sure of it.
    Logits (B, K) and labels (B,), both softened by the temperature, without a factor T²; no gradient reaches the
    teacher's. Hao et al., "One-for-All: Bridge the Gap Between Heterogeneous Architectures in Knowledge Distillation"
    (2023), section 3.2.
    """
    p = (teacher_logits.detach() / temperature).softmax(1)
    is_label = labels[:, None] == torch.arange(p.shape[1], device=p.device)
    targets = (p + is_label.to(p.dtype)).pow(enhancement) - is_label.to(p.dtype)
    return -(targets * log_softmax(student_logits / temperature)).sum(1).mean()


def exit_branch(shape: Shape, halvings: int, width: int, classes: int) -> nn.Sequential:
    """Build the layers from features of one example to logits.

    Maps pass a pair of separable 3 × 3 convolutions for each time that they are still to be halved, or else a 1 × 1
    convolution, up to ``width`` channels; then they are averaged over all places. Vectors need a linear layer alone.
    """
    if len(shape) == 1:
        return nn.Sequential(nn.Linear(shape[0], classes))
    channels, height, across = shape
    layers: list[nn.Module] = []
    for left in reversed(range(halvings)):
        height, across = -(-height // 2), -(-across // 2)
        wider = 2 * channels if left else width
        for stride, outputs in ((2, channels), (1, wider)):
            layers += [
                nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False),
                nn.Conv2d(channels, outputs, 1, bias=False),
            ]
            layers += (
                [nn.BatchNorm2d(outputs)] if height * across > 1 else []
            )  # one place of one example has no variance
            layers += [nn.ReLU()]
            channels = outputs
    layers += [] if halvings else [nn.Conv2d(channels, width, 1)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))


@dataclass(frozen=True)
class OneForAll(WeightedMethod):
    title: ClassVar[str] = "One for all (OFA-KD)"
    aliases: ClassVar[tuple[str, ...]] = ("OFA-KD",)
    summary: ClassVar[str] = (
        "Give every stage of the student an exit that learns the teacher’s answer, so that networks of different kinds "
        "need no common features."
    )
    family: ClassVar[str] = "response"
    needs_class_per_example: ClassVar[bool] = True
    paper: ClassVar[str] = "Hao et al. 2023, section 3"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{CE} - w \textstyle\sum_k \big((p_k + 1_y)^\varepsilon - 1_y\big) \log q_k"
        r" - v \textstyle\sum_\text{exits} \sum_k \big((p_k + 1_y)^\varepsilon - 1_y\big) \log q_k^\text{exit}"
    )
    requires: ClassVar[str] = "logits of both, labels, a student with named layers; the exits are learned and discarded"
    defaults_source: ClassVar[str] = (
        "The authors' code: ε 1, T 1, weights 1; 1.5 in their example. Exits of fully connected layers are ours."
    )
    pitfall: ClassVar[str] = "It has no factor T²: at a higher temperature it weighs less."
    softens_targets: ClassVar[bool] = True

    temperature: float = temperature_option(1.0, "Divides the logits of both networks before softmax.")
    weight: float = weight_option(1.0, "the student’s logits")
    exits: float = number(
        1.0, 0.0, 100.0, "Weight of the sum over the exits.", step=0.1, label="Weight of the exits", live=True
    )  # fmt: skip
    enhancement: float = number(
        1.0, 1.0, 3.0, "Power ε: above 1 the label counts more, the more the teacher is sure of it.", step=0.1,
        label="Enhancement ε", live=True,
    )  # fmt: skip

    def latex_term(self) -> str:
        exits = rf"{self.exits:g} \textstyle\sum_\text{{exits}} \mathrm{{OFA}}"
        return rf"(\mathrm{{OFA}}_{{\varepsilon={self.enhancement:g}}} + {exits})"

    def unsupported_reason(self, pair: Pair) -> str:
        return "" if len(pair.student_shapes) > 1 else pair.no_features_reason

    def matches(self, pair: Pair) -> tuple[Match, ...]:
        return tuple(Match(layer, LOGITS) for layer in self._layers(pair))

    def adapters(self, pair: Pair, labels: Tensor) -> nn.ModuleDict:  # noqa: ARG002
        layers = self._layers(pair)
        ends = [
            pair.student_shapes[layers[-1]],
            *(pair.teacher_shapes[teacher] for _, teacher in pair.stage_pairs[-1:]),
        ]
        width = max(shape[0] for shape in ends)
        return nn.ModuleDict(
            {
                f"student {index}": exit_branch(
                    pair.student_shapes[layer], len(layers) - 1 - index, width, pair.classes
                )
                for index, layer in enumerate(layers)
            }
        )

    def parts(self, signals: LossInputs) -> list[LossPart]:
        target = (signals.teacher_logits, signals.labels, self.enhancement, self.temperature)
        logits = [
            signals.adapters[f"student {index}"](signals.student_features[match.student])
            for index, match in enumerate(signals.matches)
        ]
        return [
            *self.common_parts(signals),
            LossPart("logits", self.weight, one_for_all(signals.student_logits, *target)),
            LossPart("exits", self.weight * self.exits, sum_tensors([one_for_all(each, *target) for each in logits])),
        ]

    def _layers(self, pair: Pair) -> list[str]:
        """Return the stages of the student, or in a network without maps its layers before the logits."""
        shapes = pair.student_shapes
        return pair.student.stages(shapes) or [layer for layer in shapes if layer != LOGITS]
