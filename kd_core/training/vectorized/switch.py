"""The steps of a phase as one compiled function, where its learners are alike enough to be rows of one stack."""

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

COMPILED, EAGER = "compiled", "eager"  # paths, in the event


def recorded_switches(changes: Sequence[Event]) -> dict[str, int] | None:
    """After which step of each phase steps were compiled ones, according to a record; None if it says nothing."""
    return {own.phase: own.step for own in changes if isinstance(own, Switched) and own.path == COMPILED} or None


def compile_incompatibility(phase: PhasePlan, learning: Sequence[NetworkTrainer], classes: int) -> str:
    """Why the steps of a phase cannot be one function, as a clause; empty if they can."""
    return next(_clauses(phase, learning, classes), "")


def _clauses(phase: PhasePlan, learning: Sequence[NetworkTrainer], classes: int) -> Iterator[str]:
    """Every reason against it, each found when it is asked for: the later ones rely on the earlier ones."""
    first = learning[0]
    if phase.is_kept:
        yield "its result depends on nothing but itself, and not on when a compiler is ready"
    if not first.compute.is_exact:
        yield f"it computes in {first.compute.precision}"
    if not (first.examples.is_fixed and first.examples.is_resident):
        yield "the examples look different at every step, or are too many for the device"
    if len({own.learner.model for own in learning}) > 1:
        yield "different networks learn"
    for own in learning:
        if own.learner.trunk[0] or own.learner.classes or own.learner.noise:
            yield f"the {own.role} is not built or shown examples in the usual way"
        if own.paths or any(True for each in own.criteria for _ in each.adapters.parameters()):
            yield f"more than the logits of the {own.role} is looked at"
        if own.method is not None and type(own.method).build is not Method.build:
            yield f"the {own.role} takes over a part of its teacher"
        if own.criteria and (len(own.criteria) > 1 or _teacher(own) is None):
            yield f"the {own.role} has several teachers, or one that learns itself"
    if clause := replicas.network_incompatibility(first.network):
        yield clause
    methods = [own.method for own in learning if own.criteria and own.method is not None]
    if methods and (clause := loss.method_incompatibility(methods, classes)):
        yield clause


def tensor_options(methods: Sequence[Method], classes: int) -> list[str]:
    """The live options that may be tensors: others decide which operations there are."""
    found: list[str] = []
    for name, option in options_of(type(methods[0])).items() if methods else ():
        if option.live and not loss.method_incompatibility(methods, classes, [*found, name]):
            found.append(name)
    return found


def _teacher(own: NetworkTrainer) -> Tensor | None:
    """What the only teacher says of all the examples (N, K), if it is trained and they are asked for once."""
    sources = own.criteria[0].teachers
    only = sources[0] if len(sources) == 1 else None
    return only.logits if isinstance(only, FrozenTeacher) and only.examples.is_fixed else None


class CompiledSteps:
    """The ``learning`` of a phase, each of which looks at the batches of ``order``; :func:`compile_incompatibility`
    has no objection.

    What pays is compiled in the background from the beginning on. From :meth:`begin` on the weights of the learners and
    the state of their optimisers are views into a stack, and :meth:`train_steps` changes them there; so everything else that
    reads or changes them goes on as before.
    """

    def __init__(
        self, phase: PhasePlan, learning: Sequence[NetworkTrainer], order: BatchSampler, operations: float
    ) -> None:
        """``operations``: floating-point operations of the forward pass of one example by one network."""
        self.phase, self.trainers, self.sampler = phase, learning, order
        self.is_on, self.is_over = False, False
        self.rows = sorted(learning, key=lambda own: not own.criteria)  # who is taught comes first
        self.taught = [own for own in self.rows if own.criteria]
        examples, courses = order.examples, list(order.pools)
        logits = {id(said): said for own in self.taught if (said := _teacher(own)) is not None}
        numbers = {key: number for number, key in enumerate(logits)}
        nothing = torch.empty(0, len(examples), len(examples.data.classes), device=examples.device)
        shown = ReplicaData(
            examples.inputs,
            examples.labels.repeat(len(courses), 1),
            torch.stack(list(logits.values())) if logits else nothing,
            torch.tensor([courses.index(own.learner.sees) for own in self.rows], device=examples.device),
            torch.tensor([numbers[id(_teacher(own))] for own in self.taught], dtype=torch.long, device=examples.device),
        )
        self._methods = self._methods_now()
        own = ReplicaLoss(
            self._methods,
            len(self.rows) - len(self.taught),
            smoothing=phase.recipe.smoothing,
            lacks_labels=bool((examples.labels < 0).any()),
            live=tensor_options(self._methods, len(examples.data.classes)),
            device=examples.device,
        )
        self._rates = self._rates_now()
        stack = Replicas([each.network for each in self.rows])
        self.step = VectorizedStep(stack, own, phase.recipe, self._rates, shown, compiling=AUTO)
        self._counters: list[Tensor] = []  # of steps, in the learners' own books
        self._epoch, self._batches = -1, [torch.empty(0)]
        self._parts, self._columns = self._layout()
        self.step.plan(self._batches_of(0), phase.recipe.epochs, operations)

    def switch(self, done: int, recorded: Mapping[str, int] | None, *, was_on: bool) -> list[Switched]:
        """Begins, if now is the time, ``done`` steps into the phase: at the start of an epoch, once all is ready.

        ``recorded``: the steps, by phase, after which it was done before and is to be done again, then and only then;
        ``was_on``: it had been done already when a checkpoint was taken. Both wait for the compiler. Ends, where an
        option was changed by hand that is a part of what was compiled.
        """
        if self.is_over or not self.step.objective.fits(self._methods_now()):
            was_in_use, self.is_over = self.is_on, True
            self.end()
            return [Switched(self.phase.name, done, EAGER)] if was_in_use else []
        if self.is_on:
            return []
        is_again = was_on or (recorded is not None and recorded.get(self.phase.name) == done)
        if is_again:
            self.step.wait()
            if not self.step.is_ready:
                self.is_over = True
                log.warning("The steps of the phase “%s” cannot be compiled again as they were.", self.phase.name)
        is_time = recorded is None and done > 0 and done % self.sampler.steps_per_epoch == 0
        if not self.step.is_ready or not (is_again or is_time):
            return []
        self.begin()
        return [] if was_on else [Switched(self.phase.name, done, COMPILED)]

    @torch.no_grad()
    def begin(self) -> None:
        """Moves weights, averages and the optimisers' state into the stack, and uses what was compiled."""
        stack, step = self.step.replicas, self.step
        for row, own in enumerate(self.rows):
            _move(own.network, {**stack.weights, **stack.buffers}, row)
            if own.ema_model is not None:
                _move(own.ema_model.module, step.averages, row)
            moments = {"momentum_buffer": step.moments.first}
            if step.moments.second:
                moments = {"exp_avg": step.moments.first, "exp_avg_sq": step.moments.second}
            names = [name for name, _ in own.network.named_parameters()]
            own.optimiser.move({kind: [each[name][row] for name in names] for kind, each in moments.items()})
            self._counters += own.optimiser.counters
            self._counters += [] if own.ema_model is None else [own.ema_model.n_averaged]
        step.swap()
        self.is_on = True

    @property
    def tensors(self) -> list[Tensor]:
        """Everything that a step changes, once it has begun."""
        return [*self.step.tensors().values(), *self._counters]

    def end(self) -> None:
        """Every network has memory of its own again."""
        for own in self.rows if self.is_on else []:
            for value in (*own.evaluated_network.parameters(), *own.evaluated_network.buffers()):
                value.data = value.data.clone()
        self.is_on = False

    def train_steps(self, done: int, most: int) -> tuple[list[tuple[dict[str, list[LossPart]], float]], list[float]]:
        """That many steps, all within one epoch: of each the parts by role and the learning rate, and the values of
        all parts in their order. Nothing is looked at: what is not finite is up to the caller."""
        self._listen()
        self.step.done = done
        batches, told, taken = self._batches_of(done // self.sampler.steps_per_epoch), [], []
        steps = self.phase.recipe.epochs * self.sampler.steps_per_epoch
        for at in range(done, done + most):
            course = rate_factor(self.phase.recipe, at, steps)
            losses = self.step(batches[at % self.sampler.steps_per_epoch], course)
            told.append(torch.cat([losses.parts.flatten(), losses.labels]))
            taken.append((self._parts, course * self.trainers[0].rate))
        for counter in self._counters:
            counter.fill_(done + most)
        values: list[float] = torch.stack(told)[:, self._columns].flatten().tolist()
        return taken, values

    def _methods_now(self) -> list[Method]:
        return [own.method for own in self.taught if own.method is not None]

    def _rates_now(self) -> list[float]:
        return [own.rate for own in self.rows]

    def _listen(self) -> None:
        """Whether somebody has changed a live option: those are tensors, so nothing is compiled anew."""
        if (methods := self._methods_now()) != self._methods:
            self._methods = methods
            self.step.objective.set_methods(methods)
            self._parts, self._columns = self._layout()
        if (rates := self._rates_now()) != self._rates:
            self._rates = rates
            self.step.set_rates(rates)

    def _layout(self) -> tuple[dict[str, list[LossPart]], list[int]]:
        """The parts by role, without their values, and where in what a step tells those of each are."""
        empty, classes = torch.zeros(()), len(self.sampler.examples.data.classes)
        two = LossInputs(torch.zeros(2, classes), torch.zeros(2, dtype=torch.long), torch.zeros(2, classes))
        parts, columns, count = {}, [], len(self.taught)
        each = [[LossPart(part.name, float(part.weight), empty) for part in own.parts(two)] for own in self._methods]
        for own in self.trainers:
            row = self.rows.index(own)
            if row < count:
                parts[own.role] = each[row]
                columns += [number * count + row for number in range(len(each[row]))]
            else:
                parts[own.role] = [LossPart("CE", 1.0, empty)]
                columns.append((len(each[0]) if each else 0) * count + row - count)
        return parts, columns

    def _batches_of(self, epoch: int) -> list[Tensor]:
        """The rows (C, B) of every step of an epoch."""
        if epoch != self._epoch:
            first, count = epoch * self.sampler.steps_per_epoch, self.sampler.steps_per_epoch
            self._batches = [
                torch.stack([self.sampler.rows(pool, at) for pool in self.sampler.pools])
                for at in range(first, first + count)
            ]
            self._epoch = epoch
        return self._batches


def _move(network: torch.nn.Module, stack: Mapping[str, Tensor], row: int) -> None:
    """Its weights and buffers into a row of each of these tensors, by name."""
    for name, value in (*network.named_parameters(), *network.named_buffers()):
        place = stack[name][row]
        value.data = place.copy_(value.data)
