"""A frozen teacher at work: its answers and features for the examples that a student is shown."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor, nn

from kd_core.config.compute import Compute
from kd_core.nn.inference import predict_with_features
from kd_core.training.data import Batch, Examples

MAX_CACHED_BYTES = 512_000_000  # bytes of features that are kept


class FrozenTeacher:
    """What a teacher says of the ``examples`` of a phase, which it sees exactly as the student does.

    Where their views are fixed, it answers once. Features that do not fit into :data:`MAX_CACHED_BYTES` bytes, and
    views that
    change, are asked for at every batch.
    """

    def __init__(self, teacher: nn.Module, examples: Examples, paths: Mapping[str, str], compute: Compute) -> None:
        self.teacher, self.examples, self.paths, self.compute = teacher, examples, paths, compute
        _, first = self._predict(examples.inputs[:1], paths)
        size = 4 * len(examples) * sum(math.prod(features.shape) for features in first.values())
        self.is_cached = examples.is_fixed and size <= MAX_CACHED_BYTES
        if examples.is_fixed:
            self.logits, self.features = self._predict(examples.inputs, paths if self.is_cached else {})

    def outputs(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits and features by tap of a batch."""
        if self.is_cached:
            return self.logits[batch.rows], {tap: features[batch.rows] for tap, features in self.features.items()}
        logits, features = self._predict(batch.inputs, self.paths)
        return self.logits[batch.rows] if self.examples.is_fixed else logits, features

    def clean_logits(self) -> Tensor:
        """Logits (N, K) of all examples as they are without augmentation."""
        return self.logits if self.examples.is_fixed else self._predict(self.examples.inputs, {})[0]

    def _predict(self, inputs: Tensor, paths: Mapping[str, str]) -> tuple[Tensor, dict[str, Tensor]]:
        with self.compute.autocast(self.examples.device):
            return predict_with_features(self.teacher, inputs, paths)
