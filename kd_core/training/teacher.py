"""Frozen teacher with cached logits and features."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor, nn

from kd_core.config.compute import Compute
from kd_core.nn.inference import predict_with_features
from kd_core.training.data import Batch, Examples

MAX_CACHED_BYTES = 512_000_000  # bytes of features


class FrozenTeacher:
    """Logits and features of a trained ``teacher`` for the ``examples`` of a phase, augmented as for the student.

    Without augmentation the logits are computed once, and so are the features at ``paths`` (module paths by layer) if
    they fit into :data:`MAX_CACHED_BYTES` bytes. Everything else is computed batch by batch.
    """

    def __init__(self, teacher: nn.Module, examples: Examples, paths: Mapping[str, str], compute: Compute) -> None:
        self.teacher, self.examples, self.paths, self.compute = teacher, examples, paths, compute
        _, first = self._predict(examples.inputs[:1], paths)
        size = 4 * len(examples) * sum(math.prod(features.shape) for features in first.values())
        self.is_cached = examples.is_fixed and size <= MAX_CACHED_BYTES
        if examples.is_fixed:
            self.logits, self.features = self._predict(examples.inputs, paths if self.is_cached else {})

    def outputs(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return logits (B, K) and features by layer of a batch."""
        if self.is_cached:
            return self.logits[batch.rows], {layer: features[batch.rows] for layer, features in self.features.items()}
        logits, features = self._predict(batch.inputs, self.paths)
        return self.logits[batch.rows] if self.examples.is_fixed else logits, features

    def clean_logits(self) -> Tensor:
        """Return the logits (N, K) of all examples without augmentation."""
        return self.logits if self.examples.is_fixed else self._predict(self.examples.inputs, {})[0]

    def _predict(self, inputs: Tensor, paths: Mapping[str, str]) -> tuple[Tensor, dict[str, Tensor]]:
        with self.compute.autocast(self.examples.device):
            return predict_with_features(self.teacher, inputs, paths)
