"""One phase of many runs at work: their learners as one stack, each on its own examples in its own order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kd_core.base.seeds import generator, use_seed
from kd_core.config.label_subset import UNLABELLED, TrainSubset
from kd_core.config.plan import LABELLED, LearnerPlan, PhasePlan, build, epochs_per_evaluation, steps_per_epoch
from kd_core.config.run import RunConfig
from kd_core.datasets import Data
from kd_core.methods import Method
from kd_core.nn.inference import predict_logits
from kd_core.training.optim import rate_factor
from kd_core.training.vectorized.loss import ReplicaLoss
from kd_core.training.vectorized.multi_run.compatibility import initial_method
from kd_core.training.vectorized.replicas import Replicas
from kd_core.training.vectorized.step import ReplicaData, VectorizedStep


@dataclass(frozen=True)
class ReplicaKey:
    """What determines one replica: two learners of different runs with the same one are the same network."""

    seed: int
    method: Method | None
    teacher: int  # its number; -1 for none
    view: TrainSubset
    order_seed: int
    sees: str
    rate: float
    after: int  # the row of the phase before whose weights it goes on from; -1 for new ones


class StackedPhase:
    """``teachers[i]`` are the trained networks of run i by role; ``before`` is the cohort of an earlier phase, if any;
    ``phases`` is one phase per run, matched by its name, out of ``plans``."""

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
        self.teachers: list[nn.Module] = []  # the different ones
        self.reference: dict[int, tuple[str, int]] = {}  # of each run: the role and the number of its teacher
        found: dict[tuple[int, str], ReplicaKey] = {}
        learners: dict[ReplicaKey, tuple[LearnerPlan, tuple[PhasePlan, ...]]] = {}
        for index, (config, plan, known) in enumerate(zip(configs, plans, teachers, strict=True)):
            phase = plan[number]
            for own in phase.learners:
                method = initial_method(own, config)
                teacher = self._number(known[own.teachers[0]]) if own.teachers else -1
                after = before.rows[index, own.role] if own.begins_with and before is not None else -1
                rate = config.recipe.learning_rate
                member = ReplicaKey(own.seed, method, teacher, phase.view, phase.order_seed, own.sees, rate, after)
                found[index, own.role] = member
                learners.setdefault(member, (own, plan))
                if own.teachers:
                    self.reference.setdefault(index, (own.teachers[0], teacher))
        # Those who are taught come first; equal rates stand together, and among them who sees the same examples.
        self.members = sorted(learners, key=lambda own: (own.method is None, own.rate, own.order_seed))
        row_of = {member: row for row, member in enumerate(self.members)}
        self.rows: dict[tuple[int, str], int] = {place: row_of[member] for place, member in found.items()}
        self.network = build_initialised(*learners[self.members[0]], data).to(
            device
        )  # a place for the weights of any row
        self.step = self._step(learners, before, compiling)

    def _number(self, teacher: nn.Module) -> int:
        for number, known in enumerate(self.teachers):
            if known is teacher:
                return number
        self.teachers.append(teacher)
        return len(self.teachers) - 1

    def _step(
        self,
        learners: Mapping[ReplicaKey, tuple[LearnerPlan, tuple[PhasePlan, ...]]],
        before: StackedPhase | None,
        compiling: str,
    ) -> VectorizedStep:
        new: dict[int, nn.Module] = {}
        networks = []
        for member in self.members:
            if member.seed not in new:
                new[member.seed] = build_initialised(*learners[member], self.data).to(self.device)
            networks.append(new[member.seed])
        replicas = Replicas(networks)
        for row, member in enumerate(self.members):
            if before is not None and member.after >= 0:
                for name, value in before.step.state(member.after).items():
                    (replicas.weights if name in replicas.weights else replicas.buffers)[name][row] = value
        self.streams = list(dict.fromkeys((own.view, own.order_seed, own.sees) for own in self.members))
        draws = {view: view.sample(self.data) for view, _, _ in self.streams}
        union = torch.unique(torch.cat([rows for rows, _ in draws.values()]))
        place = torch.full((len(self.data.train),), -1).scatter_(0, union, torch.arange(len(union)))
        labels = torch.full((len(self.streams), len(union)), UNLABELLED)
        self._pools, self._count = [], len(next(iter(draws.values()))[0])
        for own, (view, _, sees) in zip(labels, self.streams, strict=True):
            rows, given = draws[view]
            own[place[rows]] = given
            self._pools.append(place[rows[given >= 0] if sees == LABELLED else rows])
        taught = [member for member in self.members if member.method is not None]
        inputs = self.data.train.inputs[union].to(self.device)
        logits = [predict_logits(teacher, inputs) for teacher in self.teachers]
        classes = len(self.data.classes)
        shown = ReplicaData(
            inputs,
            labels.to(self.device),
            torch.stack(logits) if logits else torch.empty(0, len(union), classes, device=self.device),
            torch.tensor([self.streams.index((m.view, m.order_seed, m.sees)) for m in self.members]).to(self.device),
            torch.tensor([m.teacher for m in taught], dtype=torch.long).to(self.device),
        )
        objective = ReplicaLoss(
            [member.method for member in taught if member.method is not None],
            len(self.members) - len(taught),
            smoothing=self.phase.recipe.smoothing,
            lacks_labels=any(bool((given < 0).any()) for _, given in draws.values()),
            device=self.device,
        )
        rates = [member.rate for member in self.members]
        return VectorizedStep(replicas, objective, self.phase.recipe, rates, shown, compiling=compiling)

    @property
    def done(self) -> int:
        """Steps made."""
        return self.step.done

    def batches(self, epoch: int) -> list[Tensor]:
        """The rows (C, B) of every step of an epoch, drawn for each course as for a run of its own."""
        drawn = []
        for pool, (_, order_seed, _) in zip(self._pools, self.streams, strict=True):
            order = torch.randperm(len(pool), generator=generator(order_seed, "order", epoch))
            if len(pool) < self._count:  # fewer examples, as many steps
                order = order.repeat(-(-self._count // max(1, len(pool))))[: self._count]
            drawn.append(pool[order])
        batches = torch.split(torch.stack(drawn).to(self.device), self.phase.recipe.batch_size, dim=1)
        return [rows.contiguous() for rows in batches]  # a compiled step is made for one layout

    def rate_factor(self) -> float:
        """Of the full learning rates, at the next step."""
        return rate_factor(self.phase.recipe, self.done, self.steps)

    def is_evaluation_due(self) -> bool:
        """After every epoch, or every few of a long phase, and at the end."""
        return self.done == self.steps or self.done % (self.steps_per_epoch * epochs_per_evaluation(self.phase)) == 0


def build_initialised(learner: LearnerPlan, plan: Sequence[PhasePlan], data: Data) -> nn.Module:
    """A new network as its run begins with it."""
    with use_seed(learner.seed, "weights"):
        return build(learner, plan, data)
