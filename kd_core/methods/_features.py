"""Base classes of losses that compare features, summed over all matched layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from kd_core.base.options import text
from kd_core.methods._base import LossInputs, sum_tensors
from kd_core.methods._weighted import WeightedMethod
from kd_core.nn.hooks import EMBEDDING, Shape, format_shape
from kd_core.nn.pairs import Match, Pair


def layers_option() -> Any:
    """Declare the option ``layers``."""
    return text(
        "", 400, "Layers to compare, as student=teacher, with commas between several pairs; empty: chosen by depth.",
        label="Layers",
    )  # fmt: skip


@dataclass(frozen=True)
class FeatureTerm(WeightedMethod):
    """Loss whose own term is the sum of :meth:`compare` over all matched layers."""

    takes_numbers: ClassVar[bool] = True  # features are the same whatever is predicted from them

    def adapter(self, student: Shape, teacher: Shape) -> nn.Module | None:  # noqa: ARG002
        """Build the layer from the student's features of one match to the compared ones; None to compare as is."""
        return None

    def compare(self, student_features: Tensor, teacher_features: Tensor) -> Tensor:
        """Return the distance of the features of one match, after the adapter."""
        raise NotImplementedError(f"{type(self).__name__} defines neither compare() nor distillation_loss()")

    def adapters(self, pair: Pair, labels: Tensor) -> nn.ModuleDict:  # noqa: ARG002
        modules = nn.ModuleDict()
        for index, match in enumerate(self.matches(pair)):
            adapter = self.adapter(pair.student_shapes[match.student], pair.teacher_shapes[match.teacher])
            if adapter is not None:
                modules[f"student {index}"] = adapter
        return modules

    def distillation_loss(self, signals: LossInputs) -> Tensor:
        return sum_tensors([self.compare(*features) for features in self.matched_features(signals)])

    def matched_features(self, signals: LossInputs) -> list[tuple[Tensor, Tensor]]:
        """Return the features of every match, the student's after its adapter."""
        pairs = []
        for index, match in enumerate(signals.matches):
            student = signals.student_features[match.student]
            if f"student {index}" in signals.adapters:
                student = signals.adapters[f"student {index}"](student)
            pairs.append((student, signals.teacher_features[match.teacher]))
        return pairs


@dataclass(frozen=True)
class FeatureMethod(FeatureTerm):
    """Loss that compares feature maps, those of the stages unless layers are named."""

    needs_maps: ClassVar[bool] = True  # whether named layers must have maps (C, H, W)

    layers: str = layers_option()

    def default_matches(self, pair: Pair) -> tuple[Match, ...]:
        """Return the pairs of layers that are compared unless :attr:`layers` names them."""
        return tuple(Match(*names) for names in pair.stage_pairs)

    def default_reason(self, pair: Pair) -> str:
        """Return :meth:`unsupported_reason` for the default layers."""
        return pair.no_maps_reason

    def matches(self, pair: Pair) -> tuple[Match, ...]:
        if not self.layers:
            return self.default_matches(pair)
        names = [[name.strip() for name in part.split("=")] for part in self.layers.split(",")]
        return tuple(Match(both[0], both[-1]) for both in names)

    def unsupported_reason(self, pair: Pair) -> str:
        if not self.layers:
            return self.default_reason(pair)
        matches = self.matches(pair)
        if reason := pair.unknown_layer(matches):
            return reason
        for match in matches:
            shapes = pair.student_shapes[match.student], pair.teacher_shapes[match.teacher]
            if self.needs_maps and not all(len(shape) == 3 for shape in shapes):
                listed = f"{match.student} has {format_shape(shapes[0])}, {match.teacher} {format_shape(shapes[1])}"
                return f"compares feature maps, and {listed}"
        return ""


@dataclass(frozen=True)
class EmbeddingMethod(FeatureTerm):
    """Loss that compares one pair of features, the embeddings (B, D) before the last layer."""

    def matches(self, pair: Pair) -> tuple[Match, ...]:  # noqa: ARG002
        return (Match(EMBEDDING, EMBEDDING),)

    def unsupported_reason(self, pair: Pair) -> str:
        return pair.no_embedding_reason
