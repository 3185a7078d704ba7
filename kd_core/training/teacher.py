"""A frozen teacher at work: its answers and features for the examples that a student is shown."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor, nn

from kd_core.config.compute import Compute
from kd_core.nn.inference import asked
from kd_core.training.data import Batch, Examples

FITS = 512_000_000  # bytes of features that are kept


class Teaching:
    """What a teacher says of the ``examples`` of a phase, which it sees exactly as the student does.

    Where their views are fixed, it answers once. Features that do not fit into :data:`FITS` bytes, and views that
    change, are asked for at every batch.
    """

    def __init__(self, teacher: nn.Module, examples: Examples, paths: Mapping[str, str], compute: Compute) -> None:
        self.teacher, self.examples, self.paths, self.compute = teacher, examples, paths, compute
        _, first = self._asked(examples.inputs[:1], paths)
        size = 4 * len(examples) * sum(math.prod(features.shape) for features in first.values())
        self.is_kept = examples.is_fixed and size <= FITS
        if examples.is_fixed:
            self.logits, self.features = self._asked(examples.inputs, paths if self.is_kept else {})

    def of(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits and features by tap of a batch."""
        if self.is_kept:
            return self.logits[batch.rows], {tap: features[batch.rows] for tap, features in self.features.items()}
        logits, features = self._asked(batch.inputs, self.paths)
        return self.logits[batch.rows] if self.examples.is_fixed else logits, features

    def clean(self) -> Tensor:
        """Logits (N, K) of all examples as they are without augmentation."""
        return self.logits if self.examples.is_fixed else self._asked(self.examples.inputs, {})[0]

    def _asked(self, inputs: Tensor, paths: Mapping[str, str]) -> tuple[Tensor, dict[str, Tensor]]:
        with self.compute.autocast(self.examples.device):
            return asked(self.teacher, inputs, paths)
