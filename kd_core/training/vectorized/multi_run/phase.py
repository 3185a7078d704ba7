"""One phase of stacked runs, with each replica on its own examples in its own order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from kd_core.base.seeds import use_seed
from kd_core.config.label_subset import UNLABELLED, TrainSubset
from kd_core.config.plan import LABELLED, LearnerPlan, PhasePlan, build, epochs_per_evaluation, steps_per_epoch
from kd_core.config.run import RunConfig
from kd_core.datasets import Data
from kd_core.methods import Method
from kd_core.nn.inference import predict_logits
from kd_core.training.data import epoch_order
from kd_core.training.optim import rate_factor
from kd_core.training.vectorized.loss import ReplicaLoss
from kd_core.training.vectorized.multi_run.compatibility import initial_method
from kd_core.training.vectorized.replicas import Replicas
from kd_core.training.vectorized.step import ReplicaData, StackedBatches, VectorizedStep


@dataclass(frozen=True)
class ReplicaKey:
    """Key of one replica. Learners of different runs with the same key are the same network."""

    seed: int
    method: Method | None
    teacher: int  # its number; -1 for none
    view: TrainSubset
    order_seed: int
    sees: str
    rate: float
    previous_row: int  # of the phase before, whose weights it goes on from; -1 for new ones


class StackedPhase:
    """Trainer of one phase of several runs, with one replica for each distinct learner.

    Args:
        configs: The runs.
        plans: The phases of each run.
        number: Which of these phases.
        data: The three splits.
        device: Where to train.
        teachers: Trained networks of each run by role.
        before: The phase before, if it was one of students.
        compiling: As in :class:`~kd_core.training.vectorized.step.VectorizedStep`.
    """

    def __init__(
        self,
        configs: Sequence[RunConfig],
        plans: Sequence[tuple[PhasePlan, ...]],
        number: int,
        data: Data,
        device: torch.device,
        *,
        teachers: Sequence[Mapping[str, nn.Module]],
        before: StackedPhase | None,
        compiling: str,
    ) -> None:
        self.phase = plans[0][number]
        self.data, self.device = data, device
        self.steps_per_epoch = steps_per_epoch(self.phase, data)
        self.steps = self.phase.recipe.epochs * self.steps_per_epoch
        self.teachers: list[nn.Module] = []  # the distinct ones
        self.reference: dict[int, tuple[str, int]] = {}  # role and number of the teacher of each run
        keys: dict[tuple[int, str], ReplicaKey] = {}  # by run and role
        learners: dict[ReplicaKey, tuple[LearnerPlan, tuple[PhasePlan, ...]]] = {}
        for run, (config, plan, networks) in enumerate(zip(configs, plans, teachers, strict=True)):
            phase = plan[number]
            for learner in phase.learners:
                teacher = self._teacher_number(networks[learner.teachers[0]]) if learner.teachers else -1
                key = ReplicaKey(
                    learner.seed,
                    initial_method(learner, config),
                    teacher,
                    phase.view,
                    phase.order_seed,
                    learner.sees,
                    config.recipe.learning_rate,
                    before.rows[run, learner.role] if learner.begins_with and before is not None else -1,
                )
                keys[run, learner.role] = key
                learners.setdefault(key, (learner, plan))
                if learner.teachers:
                    self.reference.setdefault(run, (learner.teachers[0], teacher))
        # Replicas with a method come first; equal rates stand together, and among them those with the same examples.
        self.members = sorted(learners, key=lambda key: (key.method is None, key.rate, key.order_seed))
        row_of = {key: row for row, key in enumerate(self.members)}
        self.rows: dict[tuple[int, str], int] = {place: row_of[key] for place, key in keys.items()}
        self.network = build_initialised(*learners[self.members[0]], data).to(device)  # to load any row into
        self.step = self._step(learners, before, compiling)

    def _teacher_number(self, teacher: nn.Module) -> int:
        for number, other in enumerate(self.teachers):
            if other is teacher:
                return number
        self.teachers.append(teacher)
        return len(self.teachers) - 1

    def _step(
        self,
        learners: Mapping[ReplicaKey, tuple[LearnerPlan, tuple[PhasePlan, ...]]],
        before: StackedPhase | None,
        compiling: str,
    ) -> VectorizedStep:
        by_seed: dict[int, nn.Module] = {}
        networks = []
        for key in self.members:
            if key.seed not in by_seed:
                by_seed[key.seed] = build_initialised(*learners[key], self.data).to(self.device)
            networks.append(by_seed[key.seed])
        replicas = Replicas(networks)
        for row, key in enumerate(self.members):
            if before is not None and key.previous_row >= 0:
                for name, value in before.step.network_state(key.previous_row).items():
                    (replicas.weights if name in replicas.weights else replicas.buffers)[name][row] = value
        self.streams = list(dict.fromkeys((key.view, key.order_seed, key.sees) for key in self.members))
        samples = {view: view.sample(self.data) for view, _, _ in self.streams}
        union = torch.unique(torch.cat([rows for rows, _ in samples.values()]))
        position = torch.full((len(self.data.train),), -1).scatter_(0, union, torch.arange(len(union)))
        labels = torch.full((len(self.streams), len(union)), UNLABELLED)
        self._pools, self._count = [], len(next(iter(samples.values()))[0])
        for stream_labels, (view, _, sees) in zip(labels, self.streams, strict=True):
            rows, sampled_labels = samples[view]
            stream_labels[position[rows]] = sampled_labels
            self._pools.append(position[rows[sampled_labels >= 0] if sees == LABELLED else rows])
        taught = [key for key in self.members if key.method is not None]
        inputs = self.data.train.inputs[union].to(self.device)
        logits = [predict_logits(teacher, inputs) for teacher in self.teachers]
        classes = len(self.data.classes)
        streams = [self.streams.index((key.view, key.order_seed, key.sees)) for key in self.members]
        self._replica_data = ReplicaData(
            inputs,
            labels.to(self.device),
            torch.stack(logits) if logits else torch.empty(0, len(union), classes, device=self.device),
            torch.tensor(streams).to(self.device),
            torch.tensor([key.teacher for key in taught], dtype=torch.long).to(self.device),
        )
        objective = ReplicaLoss(
            [key.method for key in taught if key.method is not None],
            len(self.members) - len(taught),
            smoothing=self.phase.recipe.smoothing,
            lacks_labels=any(bool((sampled_labels < 0).any()) for _, sampled_labels in samples.values()),
            device=self.device,
        )
        rates = [key.rate for key in self.members]
        return VectorizedStep(replicas, objective, self.phase.recipe, rates, streams, compiling=compiling)

    @property
    def done(self) -> int:
        """Steps taken."""
        return self.step.done

    def batches(self, epoch: int) -> StackedBatches:
        """Return the batches of an epoch, in each stream those of a run of its own."""
        rows = [
            epoch_order(pool, self._count, order_seed, epoch)
            for pool, (_, order_seed, _) in zip(self._pools, self.streams, strict=True)
        ]
        return StackedBatches(self._replica_data, torch.stack(rows).to(self.device), self.phase.recipe.batch_size)

    def rate_factor(self) -> float:
        """Return the fraction of the full learning rates at the next step."""
        return rate_factor(self.phase.recipe, self.done, self.steps)

    def is_evaluation_due(self) -> bool:
        """Return whether an evaluation is due, after every epoch or every few of a long phase, and at the end."""
        return self.done == self.steps or self.done % (self.steps_per_epoch * epochs_per_evaluation(self.phase)) == 0


def build_initialised(learner: LearnerPlan, plan: Sequence[PhasePlan], data: Data) -> nn.Module:
    """Return a network with the initial weights that it has in a run of its own."""
    with use_seed(learner.seed, "weights"):
        return build(learner, plan, data)
