"""Distillation loss of one network, with method, adapters and teachers."""

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
    """A teacher that is frozen (``FrozenTeacher``) or trained beside its student (``NetworkTrainer``)."""

    def outputs(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return logits (B, K) and features by layer for a batch."""


class Criterion:
    """A method, the student/teacher pair it is built for, its adapters and its teachers.

    Args:
        method: The loss.
        pair: Student and teacher as the method sees them.
        labels: (N,) labels of all examples of the phase, -1 for none.
        seed: Seed of the adapters' weights.
        weight: Weight of this teacher where the losses of several teachers are averaged.
    """

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
        """Return the inputs of the method for one batch.

        An example without a label gets the teacher's top class instead, and False in ``is_labelled``.
        """
        outputs = [teacher.outputs(batch) for teacher in self.teachers]
        labels, mixed = batch.labels, batch.mixed
        teacher_logits = self._combined([logits for logits, _ in outputs])
        teacher_features = outputs[0][1]
        is_labelled = None
        if self._lacks_labels:
            is_labelled = labels >= 0
            if mixed is not None:  # a blend is labelled only if both of its images are
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
