"""Reused teacher classifier (SimKD) on the student's projected features."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.base.options import integer
from kd_core.methods import EmbeddingMethod, Match, Pair, label_weight_option, weight_option
from kd_core.models import Frozen
from kd_core.nn.adapters import match_sizes
from kd_core.nn.hooks import EMBEDDING, LOGITS, Shape


def reused_classifier(student_features: Tensor, teacher_features: Tensor) -> Tensor:
    """Return the mean squared difference of the student's projected features and the teacher's, unitless.

    Maps (B, C, H, W) of the same number of channels, the larger one average-pooled first, or embeddings (B, D). No
    gradient reaches the teacher's. Chen et al., "Knowledge Distillation with the Reused Teacher Classifier" (2022),
    equation 3.
    """
    student, teacher = student_features, teacher_features.detach()
    if student.dim() == 4:
        student, teacher = match_sizes(student, teacher)
    return F.mse_loss(student, teacher)


def projector(student: Shape, teacher: Shape, factor: int) -> nn.Sequential:
    """Build a projector of 1 × 1, 3 × 3 and 1 × 1 convolutions, narrower than the teacher by ``factor``.

    Each has batch norm and ReLU; larger maps are average-pooled to the teacher's size first. Between embeddings, which
    the paper does not have, it is one linear layer.
    """
    if len(teacher) == 1:
        return nn.Sequential(nn.Linear(student[0], teacher[0]))
    middle = max(1, teacher[0] // factor)
    layers: list[nn.Module] = []
    if student[1] > teacher[1]:
        layers.append(nn.AdaptiveAvgPool2d((teacher[1], teacher[2])))
    for channels, width, size in ((student[0], middle, 1), (middle, middle, 3), (middle, teacher[0], 1)):
        layers += [nn.Conv2d(channels, width, size, padding=size // 2, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers)


@dataclass(frozen=True)
class ReusedClassifier(EmbeddingMethod):
    title: ClassVar[str] = "Reused classifier (SimKD)"
    aliases: ClassVar[tuple[str, ...]] = ("SimKD",)
    summary: ClassVar[str] = "Keep the teacher's last layers, frozen, and train the student to produce their input."
    family: ClassVar[str] = "feature"
    paper: ClassVar[str] = "Chen et al. 2022, section 3"
    formula: ClassVar[str] = r"\lambda\,\mathrm{CE} + w\,\mathrm{MSE}(P(F_\text{student}), F_\text{teacher})"
    requires: ClassVar[str] = "a teacher that ends in a linear layer, and the last features of both networks"
    defaults_source: ClassVar[str] = "Weight 1, labels 0, projector narrower by 2: the authors' code."
    pitfall: ClassVar[str] = "Projector and teacher's classifier are part of the trained student and of its cost."
    part_name: ClassVar[str] = "features"
    discards_adapters: ClassVar[bool] = False
    symbol: ClassVar[str] = r"\mathrm{MSE}(P(F_\text{student}), F_\text{teacher})"

    label_weight: float = label_weight_option(0.0)
    weight: float = weight_option(1.0, "the features")
    factor: int = integer(
        2, 1, 16, "How many times narrower the projector is than the teacher's maps; no effect between embeddings."
    )

    def unsupported_reason(self, pair: Pair) -> str:
        for model in (pair.student, pair.teacher):
            if model.refusal(pair.shape, pair.classes, is_split=True):
                return f"takes over layers of one network, and {model.label()} cannot be cut into first and last layers"
        return pair.no_embedding_reason

    def matches(self, pair: Pair) -> tuple[Match, ...]:
        return (Match(*self._ends(pair)),)

    def connecting_layers(self, pair: Pair) -> nn.ModuleDict:
        student, teacher = self._ends(pair)
        layers = projector(pair.student_shapes[student], pair.teacher_shapes[teacher], self.factor)
        return nn.ModuleDict({"student 0": layers})

    def build(self, pair: Pair) -> nn.Module:
        """Build the student's layers up to its last features, the projector and the teacher's layers after that."""
        student, teacher = self._ends(pair)
        body, _ = pair.student.split(super().build(pair), student)
        _, head = pair.teacher.split(pair.teacher.build(pair.shape, pair.classes), teacher)
        layers = self.connecting_layers(pair)["student 0"]
        return nn.Sequential(OrderedDict(body=body, projector=layers, classifier=Frozen(*head)))

    def feature_layers(self, pair: Pair) -> Mapping[str, str]:
        """Return the student's last features after the projector."""
        return {self._ends(pair)[0]: "projector"}

    def adapters(self, pair: Pair, labels: Tensor) -> nn.ModuleDict:  # noqa: ARG002
        return nn.ModuleDict()  # the projector is a part of the student

    def initialise_student(self, pair: Pair, network: nn.Module, teacher: nn.Module) -> None:
        _, head = pair.teacher.split(teacher, self._ends(pair)[1])
        network.get_submodule("classifier").load_state_dict(nn.Sequential(*head).state_dict())

    def initialise_code(self, pair: Pair) -> str:
        with torch.device("meta"):
            body, _ = pair.teacher.split(pair.teacher.build(pair.shape, pair.classes), self._ends(pair)[1])
        head = f"nn.Sequential(*{{teacher}}[{len(body)}:])"
        return f"{{student}}.classifier.load_state_dict({head}.state_dict())"

    def compare(self, student_features: Tensor, teacher_features: Tensor) -> Tensor:
        return reused_classifier(student_features, teacher_features)

    def _ends(self, pair: Pair) -> tuple[str, str]:
        """Return the layers that the projector connects, the last maps or the embeddings.

        Maps smaller than the teacher's cannot be the input of its classifier, and layers of the student after its last
        map must not be lost.
        """
        if pair.stage_pairs:
            student, teacher = pair.stage_pairs[-1]
            size, needed = pair.student_shapes[student][1:], pair.teacher_shapes[teacher][1:]
            maps = [layer for layer in pair.student_shapes if layer not in {EMBEDDING, LOGITS}]
            is_cuttable = teacher in pair.teacher.cuttable_layers() and student in pair.student.cuttable_layers()
            if is_cuttable and student == maps[-1] and size[0] >= needed[0] and size[1] >= needed[1]:
                return student, teacher
        return EMBEDDING, EMBEDDING
