"""Student and teacher with their named layers and shapes, before training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from kd_core.models import Model
from kd_core.nn.hooks import BOXES, EMBEDDING, Shape, feature_shapes, format_shape

MAX_LISTED = 8  # layers of a network in a sentence


@dataclass(frozen=True)
class Pair:
    """Student and teacher on the same data, with inputs of ``shape`` and logits for ``classes``."""

    student: Model
    teacher: Model
    shape: Shape
    classes: int

    @property
    def student_shapes(self) -> Mapping[str, Shape]:
        """Shapes of the student's named layers, without the batch dimension."""
        return feature_shapes(self.student, self.shape, self.classes)

    @property
    def teacher_shapes(self) -> Mapping[str, Shape]:
        """Shapes of the teacher's named layers, without the batch dimension."""
        return feature_shapes(self.teacher, self.shape, self.classes)

    @property
    def stage_pairs(self) -> list[tuple[str, str]]:
        """Pairs of layers with feature maps, from the input to the output; empty if a network has none.

        The last is paired with the last, and layers before it at the same relative depth.
        """
        student, teacher = self.student.stages(self.student_shapes), self.teacher.stages(self.teacher_shapes)
        count = min(len(student), len(teacher))
        return [
            (student[-(-place * len(student) // count) - 1], teacher[-(-place * len(teacher) // count) - 1])
            for place in range(1, count + 1)
        ]

    @property
    def no_maps_reason(self) -> str:
        """Why feature maps cannot be matched, as the end of a sentence with the shapes; empty if they can."""
        if self.stage_pairs:
            return ""
        return f"needs feature maps of both networks, and {self.listed}"

    @property
    def no_features_reason(self) -> str:
        """Why nothing before the logits can be matched; empty if both networks name layers."""
        if len(self.student_shapes) > 1 and len(self.teacher_shapes) > 1:
            return ""
        return f"needs networks with named layers before the logits, and {self.listed}"

    @property
    def no_embedding_reason(self) -> str:
        """Why embeddings cannot be matched; empty if both networks have one."""
        if EMBEDDING in self.student_shapes and EMBEDDING in self.teacher_shapes:
            return ""
        return f"needs networks that end in a linear layer on an embedding, and {self.listed}"

    @property
    def no_boxes_reason(self) -> str:
        """Why the sides of boxes cannot be matched; empty if both networks have distributions of them."""
        if BOXES in self.student_shapes and BOXES in self.teacher_shapes:
            return ""
        return f"needs networks with boxes whose sides are distributions, and {self.listed}"

    def unknown_layer(self, matches: Sequence[Match]) -> str:
        """Return which matched layer a network lacks, as the end of a sentence; empty if all are there."""
        for side, shapes in (("student", self.student_shapes), ("teacher", self.teacher_shapes)):
            for match in matches:
                name = match.student if side == "student" else match.teacher
                if name not in shapes:
                    listed = ", ".join(layer for layer, _ in _ends(shapes))
                    return f"compares the layer “{name}”, which the {side} does not have; it has {listed}"
        return ""

    @property
    def listed(self) -> str:
        """The layers of both networks with their shapes, as the end of a sentence."""
        student, teacher = (
            ", ".join(f"{layer} ({format_shape(shape)})" for layer, shape in _ends(shapes))
            for shapes in (self.student_shapes, self.teacher_shapes)
        )
        return f"the student has {student}, the teacher {teacher}"


@dataclass(frozen=True)
class SelfPair(Pair):
    """Network as its own teacher, in which each stage learns from the next one."""

    @property
    def stage_pairs(self) -> list[tuple[str, str]]:
        return list(pairwise(self.student.stages(self.student_shapes)))

    @property
    def no_maps_reason(self) -> str:
        if self.stage_pairs:
            return ""
        return f"needs a network with two feature maps, one to learn from the other, and {self.listed}"


@dataclass(frozen=True)
class Match:
    """Pair of layers that a loss compares; "labels" may stand in place of the teacher's."""

    student: str
    teacher: str


def _ends(shapes: Mapping[str, Shape]) -> list[tuple[str, Shape]]:
    """Return the last layers, as many as a sentence can list."""
    return [*shapes.items()][-MAX_LISTED:]
