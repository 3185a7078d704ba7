"""The frame of methods that compare features: which taps, through which adaptors, summed over all of them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from kd_core.methods import Match, Pair, Signals, added
from kd_core.methods._base import Weighted
from kd_core.nn.hooks import EMBEDDING, Shape


@dataclass(frozen=True)
class Layers(Weighted):
    """The own term is the sum of :meth:`compare` over the matched places."""

    def matches(self, pair: Pair) -> tuple[Match, ...]:
        return tuple(Match(*names) for names in pair.stages)

    def refusal(self, pair: Pair) -> str:
        return pair.lacking_maps

    def adaptor(self, student: Shape, teacher: Shape) -> nn.Module | None:  # noqa: ARG002
        """From the student's features to those that are compared with the teacher's; None to compare as they are."""
        return None

    def compare(self, student_features: Tensor, teacher_features: Tensor) -> Tensor:
        """The distance at one place, after the adaptor."""
        raise NotImplementedError

    def adaptors(self, pair: Pair, labels: Tensor) -> nn.ModuleDict:  # noqa: ARG002
        found = nn.ModuleDict()
        for place, match in enumerate(self.matches(pair)):
            adaptor = self.adaptor(pair.student_taps[match.student], pair.teacher_taps[match.teacher])
            if adaptor is not None:
                found[f"student {place}"] = adaptor
        return found

    def matched(self, signals: Signals) -> Tensor:
        return added([self.compare(*both) for both in self.places(signals)])

    def places(self, signals: Signals) -> list[tuple[Tensor, Tensor]]:
        """The features of every match, the student's after its adaptor."""
        found = []
        for place, match in enumerate(signals.matches):
            student = signals.student_features[match.student]
            if f"student {place}" in signals.adaptors:
                student = signals.adaptors[f"student {place}"](student)
            found.append((student, signals.teacher_features[match.teacher]))
        return found


@dataclass(frozen=True)
class Embeddings(Layers):
    """One place: the embeddings before the last layer."""

    def matches(self, pair: Pair) -> tuple[Match, ...]:  # noqa: ARG002
        return (Match(EMBEDDING, EMBEDDING),)

    def refusal(self, pair: Pair) -> str:
        return pair.lacking_embedding
