"""The teacher's classifier, reused: the student only learns to feed it, through a projector that stays."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.base.options import integer
from kd_core.methods import FeatureMethod, Match, Pair, label_weight_option, weight_option
from kd_core.models import Frozen
from kd_core.nn.adapters import match_sizes
from kd_core.nn.hooks import EMBEDDING, LOGITS, Shape


def reused_classifier(student_features: Tensor, teacher_features: Tensor) -> Tensor:
    """Squared difference of the projected student's features and the teacher's, mean over all elements.

    Maps (B, C, H, W) of the same number of channels, the larger one averaged down first, or embeddings (B, D). No
    gradient reaches the teacher's. Chen et al., "Knowledge Distillation with the Reused Teacher Classifier" (2022),
    equation 3.
    """
    student, teacher = student_features, teacher_features.detach()
    if student.dim() == 4:
        student, teacher = match_sizes(student, teacher)
    return F.mse_loss(student, teacher)


def projector(student: Shape, teacher: Shape, factor: int) -> nn.Sequential:
    """1 × 1, 3 × 3 and 1 × 1 convolutions with batch norm and ReLU, narrower than the teacher by ``factor``, after
    averaging down to its size; between embeddings, which the paper does not have, one linear layer."""
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
class ReusedClassifier(FeatureMethod):
    title: ClassVar[str] = "Reused classifier (SimKD)"
    aliases: ClassVar[tuple[str, ...]] = ("SimKD",)
    summary: ClassVar[str] = (
        "Keep the teacher's last layers, frozen, and let the student learn nothing but to feed them."
    )
    family: ClassVar[str] = "feature"
    paper: ClassVar[str] = "Chen et al. 2022, section 3"
    formula: ClassVar[str] = r"\lambda\,\mathrm{CE} + w\,\mathrm{MSE}(P(F_\text{student}), F_\text{teacher})"
    requires: ClassVar[str] = "a teacher that ends in a linear layer, and the last features of both networks"
    defaults_source: ClassVar[str] = "Weight 1, labels 0, projector narrower by 2: the authors' code."
    pitfall: ClassVar[str] = (
        "The projector and the teacher's classifier leave with the student: count them, do not forget them."
    )
    part_name: ClassVar[str] = "features"
    discards_adapters: ClassVar[bool] = False
    symbol: ClassVar[str] = r"\mathrm{MSE}(P(F_\text{student}), F_\text{teacher})"

    label_weight: float = label_weight_option(0.0)
    weight: float = weight_option(1.0, "the features")
    factor: int = integer(
        2, 1, 16, "How many times narrower the projector is than the teacher's maps; without effect between embeddings."
    )

    def unsupported_reason(self, pair: Pair) -> str:
        return pair.no_embedding_reason

    def matches(self, pair: Pair) -> tuple[Match, ...]:
        return (Match(*self._ends(pair)),)

    def connecting_layers(self, pair: Pair) -> nn.ModuleDict:
        student, teacher = self._ends(pair)
        joined = projector(pair.student_shapes[student], pair.teacher_shapes[teacher], self.factor)
        return nn.ModuleDict({"student 0": joined})

    def build(self, pair: Pair) -> nn.Module:
        """The student's layers up to its last features, the projector, the teacher's layers from there on."""
        student, teacher = self._ends(pair)
        body, _ = pair.student.split(super().build(pair), student)
        _, head = pair.teacher.split(pair.teacher.build(pair.shape, pair.classes), teacher)
        frozen = Frozen(*head)
        return nn.Sequential(
            OrderedDict(body=body, projector=self.connecting_layers(pair)["student 0"], classifier=frozen)
        )

    def feature_layers(self, pair: Pair) -> Mapping[str, str]:
        """The student's last features, as the projector gives them."""
        return {self._ends(pair)[0]: "projector"}

    def adapters(self, pair: Pair, labels: Tensor) -> nn.ModuleDict:  # noqa: ARG002
        return nn.ModuleDict()  # the projector is no adaptor: it stays

    def initialise_student(self, pair: Pair, network: nn.Module, teacher: nn.Module) -> None:
        _, head = pair.teacher.split(teacher, self._ends(pair)[1])
        network.get_submodule("classifier").load_state_dict(nn.Sequential(*head).state_dict())

    def compare(self, student_features: Tensor, teacher_features: Tensor) -> Tensor:
        return reused_classifier(student_features, teacher_features)

    def _ends(self, pair: Pair) -> tuple[str, str]:
        """The taps that the projector joins: the last maps, or the embeddings.

        The teacher's head sees places, so maps that are smaller than the teacher's cannot feed it; and what the student
        does after its last map must not be lost.
        """
        if pair.stage_pairs:
            student, teacher = pair.stage_pairs[-1]
            own, wanted = pair.student_shapes[student], pair.teacher_shapes[teacher]
            before = [tap for tap in pair.student_shapes if tap not in {EMBEDDING, LOGITS}]
            if student == before[-1] and own[1] >= wanted[1] and own[2] >= wanted[2]:
                return student, teacher
        return EMBEDDING, EMBEDDING
