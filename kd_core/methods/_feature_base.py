"""The frame of methods that compare features: which taps, through which adaptors, summed over all of them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from kd_core.methods import LossInputs, Match, Pair, sum_tensors
from kd_core.methods._base import WeightedMethod
from kd_core.nn.hooks import EMBEDDING, Shape


@dataclass(frozen=True)
class FeatureMethod(WeightedMethod):
    """The own term is the sum of :meth:`compare` over the matched places."""

    def matches(self, pair: Pair) -> tuple[Match, ...]:
        return tuple(Match(*names) for names in pair.stage_pairs)

    def unsupported_reason(self, pair: Pair) -> str:
        return pair.no_maps_reason

    def adapter(self, student: Shape, teacher: Shape) -> nn.Module | None:  # noqa: ARG002
        """From the student's features to those that are compared with the teacher's; None to compare as they are."""
        return None

    def compare(self, student_features: Tensor, teacher_features: Tensor) -> Tensor:
        """The distance at one place, after the adaptor."""
        raise NotImplementedError

    def adapters(self, pair: Pair, labels: Tensor) -> nn.ModuleDict:  # noqa: ARG002
        found = nn.ModuleDict()
        for place, match in enumerate(self.matches(pair)):
            adaptor = self.adapter(pair.student_shapes[match.student], pair.teacher_shapes[match.teacher])
            if adaptor is not None:
                found[f"student {place}"] = adaptor
        return found

    def distillation_loss(self, signals: LossInputs) -> Tensor:
        return sum_tensors([self.compare(*both) for both in self.matched_features(signals)])

    def matched_features(self, signals: LossInputs) -> list[tuple[Tensor, Tensor]]:
        """The features of every match, the student's after its adaptor."""
        found = []
        for place, match in enumerate(signals.matches):
            student = signals.student_features[match.student]
            if f"student {place}" in signals.adapters:
                student = signals.adapters[f"student {place}"](student)
            found.append((student, signals.teacher_features[match.teacher]))
        return found


@dataclass(frozen=True)
class EmbeddingMethod(FeatureMethod):
    """One place: the embeddings before the last layer."""

    def matches(self, pair: Pair) -> tuple[Match, ...]:  # noqa: ARG002
        return (Match(EMBEDDING, EMBEDDING),)

    def unsupported_reason(self, pair: Pair) -> str:
        return pair.no_embedding_reason
