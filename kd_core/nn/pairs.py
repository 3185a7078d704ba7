"""A student and the teacher it learns from, as a method sees them before anything is learned: their taps and shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from kd_core.models import Model
from kd_core.nn.hooks import EMBEDDING, Shape, feature_shapes, format_shape


@dataclass(frozen=True)
class Pair:
    """Two families of networks on the same data: inputs of ``shape``, logits for ``classes``."""

    student: Model
    teacher: Model
    shape: Shape
    classes: int

    @property
    def student_shapes(self) -> Mapping[str, Shape]:
        return feature_shapes(self.student, self.shape, self.classes)

    @property
    def teacher_shapes(self) -> Mapping[str, Shape]:
        return feature_shapes(self.teacher, self.shape, self.classes)

    @property
    def stage_pairs(self) -> list[tuple[str, str]]:
        """Pairs of taps with feature maps, from the input to the end: the last with the last, and the same relative
        depth before it where one network has more of them. Empty if one has none."""
        student, teacher = feature_map_layers(self.student_shapes), feature_map_layers(self.teacher_shapes)
        count = min(len(student), len(teacher))
        return [
            (student[-(-place * len(student) // count) - 1], teacher[-(-place * len(teacher) // count) - 1])
            for place in range(1, count + 1)
        ]

    @property
    def no_maps_reason(self) -> str:
        """Why nothing can be matched place by place, as the end of a sentence with the shapes; empty if it can."""
        if self.stage_pairs:
            return ""
        return f"needs feature maps of both networks, and {self._listed}"

    @property
    def no_features_reason(self) -> str:
        """Why there is nothing to match before the logits; empty if both networks show something."""
        if len(self.student_shapes) > 1 and len(self.teacher_shapes) > 1:
            return ""
        return f"needs networks that show what is inside them, and {self._listed}"

    @property
    def no_embedding_reason(self) -> str:
        """Why there is no vector to match before the last layer; empty if both networks have one."""
        if EMBEDDING in self.student_shapes and EMBEDDING in self.teacher_shapes:
            return ""
        return f"needs networks that end in a linear layer on an embedding, and {self._listed}"

    @property
    def _listed(self) -> str:
        student, teacher = (
            ", ".join(f"{tap} ({format_shape(shape)})" for tap, shape in taps.items())
            for taps in (self.student_shapes, self.teacher_shapes)
        )
        return f"the student has {student}, the teacher {teacher}"


@dataclass(frozen=True)
class SelfPair(Pair):
    """One network as its own teacher: each stage learns from the next one."""

    @property
    def stage_pairs(self) -> list[tuple[str, str]]:
        return list(pairwise(feature_map_layers(self.student_shapes)))

    @property
    def no_maps_reason(self) -> str:
        if self.stage_pairs:
            return ""
        return f"needs a network with two feature maps, one to learn from the other, and {self._listed}"


@dataclass(frozen=True)
class Match:
    """Two places that a method compares: taps, or "logits", or "labels" in place of a teacher."""

    student: str
    teacher: str


def feature_map_layers(layer_shapes: Mapping[str, Shape]) -> list[str]:
    """Taps with more than one place: maps (C, H, W), not vectors and not single pixels."""
    return [tap for tap, shape in layer_shapes.items() if len(shape) == 3 and shape[1] * shape[2] > 1]
