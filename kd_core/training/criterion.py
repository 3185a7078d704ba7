"""What one learner is taught: a method, the pair it was built for, the adaptors between, and who answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor, nn

from kd_core.base.seeds import use_seed
from kd_core.config.plan import LOGITS, PROBABILITIES
from kd_core.methods import LossInputs, Method
from kd_core.nn.composite import average_logits, average_probabilities
from kd_core.nn.hooks import select_layers
from kd_core.nn.pairs import Pair
from kd_core.training.data import Batch


class Teacher(Protocol):
    """A teacher: frozen (``FrozenTeacher``), or learning beside its pupil (``NetworkTrainer``)."""

    def outputs(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits (B, K) and features by tap for a batch."""


class Criterion:
    """``weight`` is the share of this teacher among several whose losses are averaged."""

    def __init__(self, method: Method, pair: Pair, labels: Tensor, *, seed: int, weight: float = 1.0) -> None:
        self.method, self.weight = method, weight
        self.matches = method.matches(pair)
        self.paths = select_layers(method.feature_layers(pair), [match.student for match in self.matches])
        self.teacher_paths = select_layers(pair.teacher.feature_layers(), [match.teacher for match in self.matches])
        with use_seed(seed, "adaptors"):
            self.adapters: nn.ModuleDict = method.adapters(pair, labels.cpu())
        self.teachers: Sequence[Teacher] = ()
        self.combine = PROBABILITIES
        self.weights: tuple[float, ...] = ()
        self._lacks_labels = bool((labels < 0).any())

    def signals(
        self, logits: Tensor, features: dict[str, Tensor], batch: Batch, *, epoch: int, seed: int
    ) -> LossInputs:
        """One batch as the method sees it. An example without a label has the teacher's top class in its place."""
        said = [source.outputs(batch) for source in self.teachers]
        labels, mixed = batch.labels, batch.mixed
        teacher_logits = self._combined([own for own, _ in said])
        teacher_features = said[0][1]
        is_labelled = None
        if self._lacks_labels:
            is_labelled = labels >= 0
            if mixed is not None:  # a blend has labels only if both of its parts have one
                is_labelled &= mixed.labels >= 0
                mixed = replace(mixed, labels=mixed.labels.clamp(min=0))
            labels = torch.where(labels >= 0, labels, teacher_logits.argmax(1))
        return LossInputs(
            logits,
            labels,
            teacher_logits,
            epoch,
            features,
            teacher_features,
            self.matches,
            self.adapters,
            batch.rows,
            seed,
            is_labelled,
            mixed,
        )

    def _combined(self, logits: list[Tensor]) -> Tensor:
        if len(logits) == 1:
            return logits[0]
        if self.combine == LOGITS:
            return average_logits(logits, self.weights)
        temperature = self.method.values().get("temperature", 1.0)
        return average_probabilities(logits, self.weights, temperature)
