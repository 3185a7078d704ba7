"""Steps of a phase whose networks are rows of one stack, eager and compiled."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from kd_core.base.events import Event, Switched
from kd_core.base.options import options_of
from kd_core.config.compute import Compute
from kd_core.config.plan import PhasePlan
from kd_core.files.checkpoint import Checkpoint
from kd_core.methods import LossInputs, LossPart, Method
from kd_core.training.learner import NetworkTrainer
from kd_core.training.optim import rate_factor
from kd_core.training.plain import StepResult
from kd_core.training.vectorized import compilation, loss, replicas
from kd_core.training.vectorized.compatibility import stack_incompatibility
from kd_core.training.vectorized.compilation import NEVER
from kd_core.training.vectorized.loss import ReplicaLoss
from kd_core.training.vectorized.replicas import Replicas
from kd_core.training.vectorized.step import ReplicaData, StackedBatches, VectorizedStep

log = logging.getLogger(__name__)

COMPILED, EAGER = "compiled", "eager"  # values of Switched.path


def recorded_switches(changes: Sequence[Event]) -> dict[str, int] | None:
    """Return the step, by phase, after which steps were compiled ones in a recorded run; None if they never were."""
    switches = (change for change in changes if isinstance(change, Switched))
    return {switch.phase: switch.step for switch in switches if switch.path == COMPILED} or None


def is_fast(phase: PhasePlan, trainers: Sequence[NetworkTrainer], operations: float) -> bool:
    """Return whether the phase of a single run is trained by :class:`FastSteps`, whose arguments these are.

    Networks other than plain MLPs gain nothing from a stack unless its steps are compiled.
    """
    first = trainers[0]
    if not first.task.has_class_per_example:
        return False
    steps = phase.recipe.epochs * first.sampler.steps_per_epoch
    operations_per_step = 3 * len(trainers) * phase.recipe.batch_size * operations
    gains = bool(replicas.linear_layers(first.network)) or (
        wants_compiled(phase, first.compute) and compilation.is_worthwhile(steps, operations_per_step)
    )
    learners = [replace(trainer.learner, method=trainer.method) for trainer in trainers]
    augmentation, classes = first.examples.augmentation, len(first.examples.data.classes)
    return gains and not stack_incompatibility(learners, first.network, first.compute, augmentation, classes)


def wants_compiled(phase: PhasePlan, compute: Compute) -> bool:
    """Return whether steps may be compiled. A cached phase may not depend on when a compiler is ready."""
    return compute.compiled and not phase.is_kept


def tensor_options(methods: Sequence[Method], classes: int) -> list[str]:
    """Return the live options that can be tensors in a compiled step; others decide which operations it has."""
    names: list[str] = []
    for name, option in options_of(type(methods[0])).items() if methods else ():
        if option.live and not loss.method_incompatibility(methods, classes, [*names, name]):
            names.append(name)
    return names


class FastSteps:
    """Steps of a phase for which :func:`stack_incompatibility` gives no reason.

    The networks are rows of a stack, which every step changes, and everything else reads and writes them as before.
    Compiled steps are prepared in the background from the start, where they are wanted and worthwhile.

    Args:
        phase: The plan of the phase.
        trainers: The trainers of its networks, of one run or of several.
        operations: Floating-point operations of the forward pass of one example by one network.
        compiling: As in :class:`~kd_core.training.vectorized.step.VectorizedStep`.
        is_single: Whether they are of a single run, whose live options may change, and whose switches to compiled steps
            are recorded.
    """

    def __init__(
        self,
        phase: PhasePlan,
        trainers: Sequence[NetworkTrainer],
        operations: float,
        *,
        compiling: str,
        is_single: bool,
    ) -> None:
        self.phase, self.trainers, self.is_single = phase, trainers, is_single
        self.steps_per_epoch = trainers[0].sampler.steps_per_epoch
        self.is_wanted = compiling != NEVER
        self.is_on, self.is_over = False, False  # compiled steps are in use; they were given up
        self._was_on = False  # when the checkpoint was taken that the phase resumes from
        # Those with a method come first; equal rates stand together, and among them those with the same examples.
        self.rows = sorted(trainers, key=lambda trainer: (not trainer.criteria, trainer.rate, trainer.sampler.seed))
        self.taught = [trainer for trainer in self.rows if trainer.criteria]
        self._streams = list(dict.fromkeys(trainer.sampler for trainer in trainers))
        teachers = [trainer.criteria[0].frozen_teacher for trainer in self.taught]
        distinct_teachers = list(dict.fromkeys(teachers))
        examples = trainers[0].examples
        device, count, classes = examples.device, len(examples), len(examples.data.classes)
        logits = [teacher.logits for teacher in distinct_teachers]
        self._data = ReplicaData(
            examples.inputs,
            torch.stack([stream.examples.labels for stream in self._streams]),
            torch.stack(logits) if logits else torch.empty(0, count, classes, device=device),
            torch.tensor([self._streams.index(trainer.sampler) for trainer in self.rows], device=device),
            torch.tensor([distinct_teachers.index(teacher) for teacher in teachers], dtype=torch.long, device=device),
        )
        self._methods = self._current_methods()
        objective = ReplicaLoss(
            self._methods,
            len(self.rows) - len(self.taught),
            smoothing=phase.recipe.smoothing,
            lacks_labels=any(stream.examples.lacks_labels for stream in self._streams),
            live=tensor_options(self._methods, classes) if is_single and self.is_wanted else (),
            device=device,
        )
        stack, rates = Replicas([trainer.network for trainer in self.rows]), [trainer.rate for trainer in self.rows]
        self.step_function = VectorizedStep(
            stack, objective, phase.recipe, rates, self._data.streams.tolist(), compiling=compiling
        )
        for row, trainer in enumerate(self.rows):
            average = None if trainer.ema_model is None else trainer.ema_model.module
            self.step_function.share(trainer.network, average, row)
        self._epoch, self._batches = 0, self._batches_of(0)
        self._parts, self._columns = self._layout() if is_single else ({}, [])
        self.step_function.plan(self._batches, phase.recipe.epochs, operations)

    def switch(self, done: int, recorded: Mapping[str, int] | None) -> list[Switched]:
        """Begin or end compiled steps if now, ``done`` steps into the phase, is the time.

        They begin at the start of an epoch, once compilation is over, and end where a live option is changed that is
        part of the compiled code.

        Args:
            done: Steps taken in the phase.
            recorded: Steps, by phase, after which they began in a recorded run: they begin there again, and only
                there, after waiting for the compiler, as they do where they were on in a checkpoint.
        """
        step = self.step_function
        if not self.is_single:
            if done % self.steps_per_epoch == 0:
                step.swap()
            return []
        if self.is_over or not step.objective.fits(self._current_methods()):
            was_in_use, self.is_over, self.is_on = self.is_on, True, False
            step.forget_compiled()
            return [Switched(self.phase.name, done, EAGER)] if was_in_use else []
        if self.is_on or not self.is_wanted:
            return []
        is_replayed = self._was_on or (recorded is not None and recorded.get(self.phase.name) == done)
        if is_replayed:
            step.wait()
            if not step.is_ready:
                self.is_over = True
                log.warning("The steps of the phase “%s” cannot be compiled again as they were.", self.phase.name)
        is_new_epoch = recorded is None and done > 0 and done % self.steps_per_epoch == 0
        if not step.is_ready or not (is_replayed or is_new_epoch):
            return []
        step.swap()
        self.is_on = True
        return [] if self._was_on else [Switched(self.phase.name, done, COMPILED)]

    def take(self, done: int, count: int) -> tuple[list[StepResult], list[float]]:
        """Take ``count`` steps after ``done`` others, all within one epoch; see :meth:`PlainSteps.take`.

        Steps of several runs have no results.
        """
        self._update_live_options()
        step = self.step_function
        step.done = done  # less than before where steps were undone
        epoch, values, results = done // self.steps_per_epoch, [], []
        if epoch != self._epoch:
            self._epoch, self._batches = epoch, self._batches_of(epoch)
        steps = self.phase.recipe.epochs * self.steps_per_epoch
        for number in range(done, done + count):
            factor = rate_factor(self.phase.recipe, number, steps)
            losses = step(self._batches[number % self.steps_per_epoch], factor)
            if self.is_single:
                values.append(torch.cat([losses.parts.flatten(), losses.labels]))
                results.append(StepResult(self._parts, factor * self.trainers[0].rate))
        for trainer in self.trainers:
            if trainer.ema_model is not None:
                trainer.ema_model.n_averaged.fill_(step.done)
        numbers: list[float] = torch.stack(values)[:, self._columns].flatten().tolist() if values else []
        return results, numbers

    def broken(self) -> set[NetworkTrainer]:
        """Return the networks whose losses were not all finite so far."""
        finite = self.step_function.finite()
        return {trainer for trainer, is_finite in zip(self.rows, finite, strict=True) if not is_finite}

    def predict_logits(self, inputs: Tensor) -> dict[nn.Module, Tensor]:
        """Return logits (N, K) of all evaluated networks, computed together."""
        logits = self.step_function.predict_logits(inputs).cpu()
        return {trainer.evaluated_network: z.T for trainer, z in zip(self.rows, logits, strict=True)}

    def finish(self) -> None:
        """Give every network memory of its own again."""
        for trainer in self.rows:
            for value in (*trainer.evaluated_network.parameters(), *trainer.evaluated_network.buffers()):
                value.data = value.data.clone()

    def state_tensors(self) -> list[Tensor]:
        """Return everything that a step changes."""
        return [*self.step_function.tensors().values()]

    def evaluated_tensors(self) -> list[Tensor]:
        """Return weights and buffers of the evaluated networks."""
        weights, buffers = self.step_function.evaluated()
        return [weights, *buffers.values()]

    def save_state(self, state: Checkpoint) -> None:
        """Put the stack, in which the networks are, into a checkpoint."""
        state.put("stack", self.step_function.tensors())
        state.values["compiled"] = [self.is_on, self.is_over]

    def load_state(self, state: Checkpoint, done: int) -> None:
        """Load what :meth:`save_state` stored after ``done`` steps; given up compiled steps are not tried again."""
        self.step_function.load(state.get("stack"), done)
        self._was_on, self.is_over = state.values["compiled"]

    def continue_from(self, larger: FastSteps, rows: Sequence[int], done: int) -> None:
        """Take over the state of some rows of another stack after ``done`` steps, in the order of these rows."""
        smaller, large = self.step_function, larger.step_function
        index = torch.tensor(rows, device=large.replicas.flat.device)
        state = large.tensors()
        for name, value in smaller.tensors().items():
            if name == "sum" or "/" in name:  # of buffers, which have a row for each replica, as the sums have
                value.copy_(state[name][index])
            elif value.numel():
                views = large.replicas.views(state[name]).values()
                value.copy_(torch.cat([view[index].flatten() for view in views]))
        smaller.done = done

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
        no_value, classes = torch.zeros(()), self._data.teachers.shape[2]
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
        rows = torch.stack([stream.order(epoch) for stream in self._streams])
        return StackedBatches(self._data, rows, self.phase.recipe.batch_size)
