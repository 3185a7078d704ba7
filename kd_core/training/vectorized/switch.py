"""Switch of a phase from eager to compiled steps."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from kd_core.base.events import Event, Switched
from kd_core.base.options import options_of
from kd_core.config.plan import PhasePlan
from kd_core.methods import LossInputs, LossPart, Method
from kd_core.training.data import BatchSampler
from kd_core.training.learner import NetworkTrainer
from kd_core.training.optim import rate_factor
from kd_core.training.teacher import FrozenTeacher
from kd_core.training.vectorized import loss, replicas
from kd_core.training.vectorized.compilation import AUTO
from kd_core.training.vectorized.loss import ReplicaLoss
from kd_core.training.vectorized.replicas import Replicas
from kd_core.training.vectorized.step import ReplicaData, VectorizedStep

log = logging.getLogger(__name__)

COMPILED, EAGER = "compiled", "eager"  # values of Switched.path


def recorded_switches(changes: Sequence[Event]) -> dict[str, int] | None:
    """Return the step, by phase, after which steps were compiled ones in a recorded run; None if they never were."""
    switches = (change for change in changes if isinstance(change, Switched))
    return {switch.phase: switch.step for switch in switches if switch.path == COMPILED} or None


def compile_incompatibility(phase: PhasePlan, trainers: Sequence[NetworkTrainer], classes: int) -> str:
    """Return why the steps of a phase cannot be compiled, as a clause; empty if they can."""
    return next(_clauses(phase, trainers, classes), "")


def _clauses(phase: PhasePlan, trainers: Sequence[NetworkTrainer], classes: int) -> Iterator[str]:
    """Yield every reason, computed on demand, since later checks rely on the earlier ones."""
    first = trainers[0]
    if phase.is_kept:
        yield "its result may depend on its cache key alone, and not on when a compiler is ready"
    if not first.compute.is_exact:
        yield f"it computes in {first.compute.precision}"
    if not (first.examples.is_fixed and first.examples.is_resident):
        yield "the examples are augmented, or too large for the device"
    if len({trainer.learner.model for trainer in trainers}) > 1:
        yield "its networks differ in architecture"
    for trainer in trainers:
        learner, role = trainer.learner, trainer.role
        if not learner.model.can_be_stacked:
            yield f"the {role} is given from Python"
        if learner.trunk[0] or learner.classes or learner.noise:
            yield f"the {role} shares layers, knows only some classes, or has noisy inputs"
        if trainer.paths or any(True for criterion in trainer.criteria for _ in criterion.adapters.parameters()):
            yield f"the loss of the {role} reads more than logits"
        if trainer.method is not None and type(trainer.method).build is not Method.build:
            yield f"the {role} takes over a part of its teacher"
        if trainer.criteria and (len(trainer.criteria) > 1 or _teacher_logits(trainer) is None):
            yield f"the {role} has several teachers, or one that is trained in the same phase"
    if clause := replicas.network_incompatibility(first.network):
        yield clause
    methods = [trainer.method for trainer in trainers if trainer.criteria and trainer.method is not None]
    if methods and (clause := loss.method_incompatibility(methods, classes)):
        yield clause


def tensor_options(methods: Sequence[Method], classes: int) -> list[str]:
    """Return the live options that can be tensors in a compiled step; others decide which operations it has."""
    names: list[str] = []
    for name, option in options_of(type(methods[0])).items() if methods else ():
        if option.live and not loss.method_incompatibility(methods, classes, [*names, name]):
            names.append(name)
    return names


def _teacher_logits(trainer: NetworkTrainer) -> Tensor | None:
    """Return the cached logits (N, K) of the only teacher; None if there are several or it has none."""
    teachers = trainer.criteria[0].teachers
    teacher = teachers[0] if len(teachers) == 1 else None
    return teacher.logits if isinstance(teacher, FrozenTeacher) and teacher.examples.is_fixed else None


class CompiledSteps:
    """Compiled steps of a phase for which :func:`compile_incompatibility` gives no reason.

    What is worthwhile is compiled in the background from the start. From :meth:`begin` on, the weights of the networks
    and the state of their optimisers are views into a stack that :meth:`train_steps` changes, so everything else that
    reads or writes them goes on as before.

    Args:
        phase: The plan of the phase.
        trainers: The trainers of its networks.
        sampler: Their batches.
        operations: Floating-point operations of the forward pass of one example by one network.
    """

    def __init__(
        self, phase: PhasePlan, trainers: Sequence[NetworkTrainer], sampler: BatchSampler, operations: float
    ) -> None:
        self.phase, self.trainers, self.sampler = phase, trainers, sampler
        self.is_on, self.is_over = False, False
        self.rows = sorted(trainers, key=lambda trainer: not trainer.criteria)  # those with a method come first
        self.taught = [trainer for trainer in self.rows if trainer.criteria]
        examples, streams = sampler.examples, list(sampler.pools)
        logits: dict[int, Tensor] = {}  # of the distinct teachers, by identity
        teacher_index = []
        for trainer in self.taught:
            teacher_logits = _teacher_logits(trainer)
            assert teacher_logits is not None
            logits.setdefault(id(teacher_logits), teacher_logits)
            teacher_index.append(list(logits).index(id(teacher_logits)))
        no_logits = torch.empty(0, len(examples), len(examples.data.classes), device=examples.device)
        data = ReplicaData(
            examples.inputs,
            examples.labels.repeat(len(streams), 1),
            torch.stack(list(logits.values())) if logits else no_logits,
            torch.tensor([streams.index(trainer.learner.sees) for trainer in self.rows], device=examples.device),
            torch.tensor(teacher_index, dtype=torch.long, device=examples.device),
        )
        self._methods = self._current_methods()
        objective = ReplicaLoss(
            self._methods,
            len(self.rows) - len(self.taught),
            smoothing=phase.recipe.smoothing,
            lacks_labels=bool((examples.labels < 0).any()),
            live=tensor_options(self._methods, len(examples.data.classes)),
            device=examples.device,
        )
        self._rates = self._current_rates()
        stack = Replicas([trainer.network for trainer in self.rows])
        self.step = VectorizedStep(stack, objective, phase.recipe, self._rates, data, compiling=AUTO)
        self._counters: list[Tensor] = []  # step counts in the trainers' optimisers and averages
        self._epoch, self._batches = -1, [torch.empty(0)]
        self._parts, self._columns = self._layout()
        self.step.plan(self._batches_of(0), phase.recipe.epochs, operations)

    def switch(self, done: int, recorded: Mapping[str, int] | None, *, was_on: bool) -> list[Switched]:
        """Begin or end compiled steps if now, ``done`` steps into the phase, is the time.

        They begin at the start of an epoch, once compilation is over, and end where a live option is changed that is
        part of the compiled code.

        Args:
            done: Steps taken in the phase.
            recorded: Steps, by phase, after which they began in a recorded run: they begin there again, and only
                there, after waiting for the compiler.
            was_on: Whether they were on in the checkpoint that the phase resumes from; also waits for the compiler.
        """
        if self.is_over or not self.step.objective.fits(self._current_methods()):
            was_in_use, self.is_over = self.is_on, True
            self.end()
            return [Switched(self.phase.name, done, EAGER)] if was_in_use else []
        if self.is_on:
            return []
        is_replayed = was_on or (recorded is not None and recorded.get(self.phase.name) == done)
        if is_replayed:
            self.step.wait()
            if not self.step.is_ready:
                self.is_over = True
                log.warning("The steps of the phase “%s” cannot be compiled again as they were.", self.phase.name)
        is_new_epoch = recorded is None and done > 0 and done % self.sampler.steps_per_epoch == 0
        if not self.step.is_ready or not (is_replayed or is_new_epoch):
            return []
        self.begin()
        return [] if was_on else [Switched(self.phase.name, done, COMPILED)]

    @torch.no_grad()
    def begin(self) -> None:
        """Move weights, averages and optimiser state into the stack, and use the compiled steps."""
        stack, step = self.step.replicas, self.step
        for row, trainer in enumerate(self.rows):
            _move(trainer.network, {**stack.weights, **stack.buffers}, row)
            if trainer.ema_model is not None:
                _move(trainer.ema_model.module, step.averages, row)
            moments = {"momentum_buffer": step.moments.first}
            if step.moments.second:
                moments = {"exp_avg": step.moments.first, "exp_avg_sq": step.moments.second}
            names = [name for name, _ in trainer.network.named_parameters()]
            trainer.optimiser.move({kind: [values[name][row] for name in names] for kind, values in moments.items()})
            self._counters += trainer.optimiser.counters
            self._counters += [] if trainer.ema_model is None else [trainer.ema_model.n_averaged]
        step.swap()
        self.is_on = True

    @property
    def tensors(self) -> list[Tensor]:
        """Everything that a compiled step changes."""
        return [*self.step.tensors().values(), *self._counters]

    def end(self) -> None:
        """Give every network memory of its own again."""
        for trainer in self.rows if self.is_on else []:
            network = trainer.evaluated_network
            for value in (*network.parameters(), *network.buffers()):
                value.data = value.data.clone()
        self.is_on = False

    def train_steps(self, done: int, count: int) -> tuple[list[tuple[dict[str, list[LossPart]], float]], list[float]]:
        """Take ``count`` steps after ``done`` others, all within one epoch.

        Returns parts by role and learning rate of each step, and the values of all parts in this order. Checking that
        they are finite is left to the caller.
        """
        self._update_live_options()
        self.step.done = done
        batches, values, results = self._batches_of(done // self.sampler.steps_per_epoch), [], []
        steps = self.phase.recipe.epochs * self.sampler.steps_per_epoch
        for step in range(done, done + count):
            factor = rate_factor(self.phase.recipe, step, steps)
            losses = self.step(batches[step % self.sampler.steps_per_epoch], factor)
            values.append(torch.cat([losses.parts.flatten(), losses.labels]))
            results.append((self._parts, factor * self.trainers[0].rate))
        for counter in self._counters:
            counter.fill_(done + count)
        numbers: list[float] = torch.stack(values)[:, self._columns].flatten().tolist()
        return results, numbers

    def _current_methods(self) -> list[Method]:
        return [trainer.method for trainer in self.taught if trainer.method is not None]

    def _current_rates(self) -> list[float]:
        return [trainer.rate for trainer in self.rows]

    def _update_live_options(self) -> None:
        """Copy changed live options into their tensors, which needs no new compilation."""
        if (methods := self._current_methods()) != self._methods:
            self._methods = methods
            self.step.objective.set_methods(methods)
            self._parts, self._columns = self._layout()
        if (rates := self._current_rates()) != self._rates:
            self._rates = rates
            self.step.set_rates(rates)

    def _layout(self) -> tuple[dict[str, list[LossPart]], list[int]]:
        """Return the parts by role, without values, and the columns of a step's values that belong to them."""
        no_value, classes = torch.zeros(()), len(self.sampler.examples.data.classes)
        inputs = LossInputs(torch.zeros(2, classes), torch.zeros(2, dtype=torch.long), torch.zeros(2, classes))
        by_role, columns, count = {}, [], len(self.taught)
        parts = [
            [LossPart(part.name, float(part.weight), no_value) for part in method.parts(inputs)]
            for method in self._methods
        ]
        for trainer in self.trainers:
            row = self.rows.index(trainer)
            if row < count:
                by_role[trainer.role] = parts[row]
                columns += [number * count + row for number in range(len(parts[row]))]
            else:
                by_role[trainer.role] = [LossPart("CE", 1.0, no_value)]
                columns.append((len(parts[0]) if parts else 0) * count + row - count)
        return by_role, columns

    def _batches_of(self, epoch: int) -> list[Tensor]:
        """Return the rows (C, B) of every step of an epoch."""
        if epoch != self._epoch:
            first, count = epoch * self.sampler.steps_per_epoch, self.sampler.steps_per_epoch
            self._batches = [
                torch.stack([self.sampler.rows(pool, step) for pool in self.sampler.pools])
                for step in range(first, first + count)
            ]
            self._epoch = epoch
        return self._batches


def _move(network: torch.nn.Module, stack: Mapping[str, Tensor], row: int) -> None:
    """Copy weights and buffers into a row of the stacked tensors, by name, and keep them there."""
    for name, value in (*network.named_parameters(), *network.named_buffers()):
        target = stack[name][row]
        value.data = target.copy_(value.data)
