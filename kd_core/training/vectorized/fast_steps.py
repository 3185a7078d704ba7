"""Steps of a phase whose networks are rows of one stack, eager and compiled."""

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
from kd_core.training.plain import StepResult
from kd_core.training.teacher import FrozenTeacher
from kd_core.training.vectorized import compilation, loss, replicas
from kd_core.training.vectorized.compilation import AUTO, NEVER
from kd_core.training.vectorized.loss import ReplicaLoss
from kd_core.training.vectorized.replicas import Replicas
from kd_core.training.vectorized.step import ReplicaData, StackedBatches, VectorizedStep

log = logging.getLogger(__name__)

COMPILED, EAGER = "compiled", "eager"  # values of Switched.path


def recorded_switches(changes: Sequence[Event]) -> dict[str, int] | None:
    """Return the step, by phase, after which steps were compiled ones in a recorded run; None if they never were."""
    switches = (change for change in changes if isinstance(change, Switched))
    return {switch.phase: switch.step for switch in switches if switch.path == COMPILED} or None


def is_fast(phase: PhasePlan, trainers: Sequence[NetworkTrainer], sampler: BatchSampler, operations: float) -> bool:
    """Return whether a phase is trained by :class:`FastSteps`, whose arguments these are.

    Networks other than plain MLPs gain nothing from a stack unless its steps are compiled.
    """
    network, classes = trainers[0].network, len(sampler.examples.data.classes)
    steps = phase.recipe.epochs * sampler.steps_per_epoch
    operations_per_step = 3 * len(trainers) * phase.recipe.batch_size * operations
    gains = bool(replicas.linear_layers(network)) or (
        wants_compiled(phase, trainers) and compilation.is_worthwhile(steps, operations_per_step)
    )
    return gains and not fast_incompatibility(trainers, classes)


def wants_compiled(phase: PhasePlan, trainers: Sequence[NetworkTrainer]) -> bool:
    """Return whether steps may be compiled. A cached phase may not depend on when a compiler is ready."""
    return trainers[0].compute.compiled and not phase.is_kept


def fast_incompatibility(trainers: Sequence[NetworkTrainer], classes: int) -> str:
    """Return why the networks of a phase cannot be stacked, as a clause; empty if they can."""
    return next(_clauses(trainers, classes), "")


def _clauses(trainers: Sequence[NetworkTrainer], classes: int) -> Iterator[str]:
    """Yield every reason, computed on demand, since later checks rely on the earlier ones."""
    first = trainers[0]
    if not first.compute.is_exact:
        yield f"it computes in {first.compute.precision}"
    if not first.examples.is_fixed:
        yield "the examples are augmented"
    shapes = {tuple(value.shape for value in trainer.network.parameters()) for trainer in trainers}
    if len({trainer.learner.model for trainer in trainers}) > 1 or len(shapes) > 1:
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
    if len(methods) == 1 and not loss.reads_only_logits(methods[0], classes):
        yield "the loss reads more than logits"
    if len(methods) > 1 and (clause := loss.method_incompatibility(methods, classes)):
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


class FastSteps:
    """Steps of a phase for which :func:`fast_incompatibility` gives no reason.

    The networks are rows of a stack, which every step changes, and everything else reads and writes them as before.
    Compiled steps are prepared in the background from the start, where they are wanted and worthwhile.

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
        self.is_wanted = wants_compiled(phase, trainers)
        self.is_on, self.is_over = False, False  # compiled steps are in use; they were given up
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
        self._data = ReplicaData(
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
            live=tensor_options(self._methods, len(examples.data.classes)) if self.is_wanted else (),
            device=examples.device,
        )
        stack, compiling = Replicas([trainer.network for trainer in self.rows]), AUTO if self.is_wanted else NEVER
        rates = [trainer.rate for trainer in self.rows]
        self.step_function = VectorizedStep(
            stack, objective, phase.recipe, rates, self._data.streams.tolist(), compiling=compiling
        )
        for row, trainer in enumerate(self.rows):
            average = None if trainer.ema_model is None else trainer.ema_model.module
            self.step_function.share(trainer.network, average, row)
        self._epoch, self._batches = 0, self._batches_of(0)
        self._parts, self._columns = self._layout()
        self.step_function.plan(self._batches, phase.recipe.epochs, operations)

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
        step = self.step_function
        if self.is_over or not step.objective.fits(self._current_methods()):
            was_in_use, self.is_over, self.is_on = self.is_on, True, False
            step.forget_compiled()
            return [Switched(self.phase.name, done, EAGER)] if was_in_use else []
        if self.is_on or not self.is_wanted:
            return []
        is_replayed = was_on or (recorded is not None and recorded.get(self.phase.name) == done)
        if is_replayed:
            step.wait()
            if not step.is_ready:
                self.is_over = True
                log.warning("The steps of the phase “%s” cannot be compiled again as they were.", self.phase.name)
        is_new_epoch = recorded is None and done > 0 and done % self.sampler.steps_per_epoch == 0
        if not step.is_ready or not (is_replayed or is_new_epoch):
            return []
        step.swap()
        self.is_on = True
        return [] if was_on else [Switched(self.phase.name, done, COMPILED)]

    def take(self, done: int, count: int) -> tuple[list[StepResult], list[float]]:
        """Take ``count`` steps after ``done`` others, all within one epoch; see :meth:`PlainSteps.take`."""
        self._update_live_options()
        step = self.step_function
        step.done = done  # less than before where steps were undone
        epoch, values, results = done // self.sampler.steps_per_epoch, [], []
        if epoch != self._epoch:
            self._epoch, self._batches = epoch, self._batches_of(epoch)
        steps = self.phase.recipe.epochs * self.sampler.steps_per_epoch
        for number in range(done, done + count):
            factor = rate_factor(self.phase.recipe, number, steps)
            losses = step(self._batches[number % self.sampler.steps_per_epoch], factor)
            values.append(torch.cat([losses.parts.flatten(), losses.labels]))
            results.append(StepResult(self._parts, factor * self.trainers[0].rate))
        for trainer in self.trainers:
            if trainer.ema_model is not None:
                trainer.ema_model.n_averaged.fill_(step.done)
        numbers: list[float] = torch.stack(values)[:, self._columns].flatten().tolist()
        return results, numbers

    def finish(self) -> None:
        """Give every network memory of its own again."""
        for trainer in self.rows:
            for value in (*trainer.evaluated_network.parameters(), *trainer.evaluated_network.buffers()):
                value.data = value.data.clone()

    def state_tensors(self) -> list[Tensor]:
        """Return everything that a step changes."""
        return [*self.step_function.tensors().values()]

    def tensors(self) -> dict[str, Tensor]:
        """Return what a checkpoint needs beside the networks."""
        return self.step_function.tensors()

    def load(self, tensors: Mapping[str, Tensor], done: int) -> None:
        """Load what :meth:`tensors` returned after ``done`` steps."""
        self.step_function.load(tensors, done)

    def _current_methods(self) -> list[Method]:
        return [trainer.method for trainer in self.taught if trainer.method is not None]

    def _update_live_options(self) -> None:
        """Copy changed live options into their tensors, which needs no new compilation."""
        self.step_function.rates = [trainer.rate for trainer in self.rows]
        if (methods := self._current_methods()) != self._methods:
            self._methods = methods
            self.step_function.objective.set_methods(methods)
            self._parts, self._columns = self._layout()

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

    def _batches_of(self, epoch: int) -> StackedBatches:
        rows = torch.stack([self.sampler.order(pool, epoch) for pool in self.sampler.pools])
        return StackedBatches(self._data, rows, self.sampler.size)
