"""One training step of R replicas, with forward, loss, gradient, clipping, optimiser and average.

For a small network, dispatching the operations takes longer than the arithmetic. Dispatched once for all replicas they
cost little more than for one. A single network is a stack of one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

from kd_core.config.recipe import Recipe, TeacherRecipe
from kd_core.training.vectorized import optim
from kd_core.training.vectorized.compilation import ALWAYS, AUTO, CompileJob, is_worthwhile
from kd_core.training.vectorized.loss import Losses, ReplicaLoss
from kd_core.training.vectorized.optim import Moments
from kd_core.training.vectorized.replicas import Replicas


class ReplicaData(NamedTuple):
    """Examples that stay on the device, and which of them, with which labels and teacher, each replica gets.

    A stream is a choice of examples with labels in an order of its own; replicas may share one.

    Attributes:
        inputs: (N, ...) the examples of all streams.
        labels: (C, N) labels in each of C streams, -1 for none.
        teachers: (U, N, K) logits of U teachers.
        streams: (R,) the stream of each replica.
        teacher_index: (S,) the teacher of each of the first S replicas, which are those with a method.
    """

    inputs: Tensor
    labels: Tensor
    teachers: Tensor
    streams: Tensor
    teacher_index: Tensor

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return inputs (C, B, ...), labels (R, B) and teacher logits (S, B, K) of ``rows`` (C, B), positions in N."""
        replica_rows = rows[self.streams]
        count, size = replica_rows.shape
        examples = self.labels.shape[1]
        inputs = self.inputs.index_select(0, rows.flatten()).view(*rows.shape, *self.inputs.shape[1:])
        label_rows = self.streams[:, None] * examples + replica_rows
        labels = self.labels.flatten().index_select(0, label_rows.flatten()).view(count, size)
        taught = len(self.teacher_index)
        teacher_rows = (self.teacher_index[:, None] * examples + replica_rows[:taught]).flatten()
        logits = self.teachers.flatten(0, 1).index_select(0, teacher_rows).view(taught, size, self.teachers.shape[2])
        return inputs, labels, logits


class StepLosses(NamedTuple):
    """Losses of one step in nats.

    ``totals`` (R,) are minimised; ``parts`` (P, S) are the raw parts of the S replicas with a method; ``labels``
    (R - S,) are the cross-entropies of the others.
    """

    totals: Tensor
    parts: Tensor
    labels: Tensor


class VectorizedStep:
    """Training step of ``replicas``, which changes their weights in place when called with the rows of a batch.

    Args:
        replicas: The stacked networks.
        objective: Their loss.
        recipe: Hyper-parameters that they have in common.
        rates: (R,) full learning rates; equal ones should stand together, since each stretch is one call.
        data: What they train on.
        compiling: ``"never"``; ``"auto"``, in the background where it saves time, used from the next :meth:`swap` on;
            or ``"always"``, before the first step. Without a compiler on the machine steps stay eager. Eager and
            compiled steps agree up to rounding.
    """

    def __init__(
        self,
        replicas: Replicas,
        objective: ReplicaLoss,
        recipe: Recipe | TeacherRecipe,
        rates: Sequence[float],
        data: ReplicaData,
        *,
        compiling: str = AUTO,
    ) -> None:
        self.replicas, self.objective, self.recipe, self.data = replicas, objective, recipe, data
        self.compiling = compiling
        self.done = 0
        self._streams: list[int] = data.streams.tolist()
        self.moments = Moments.of(replicas.weights, recipe.optimiser)
        current = {**replicas.weights, **replicas.buffers}
        self.averages = {name: value.clone() for name, value in current.items()} if recipe.ema else {}
        self.set_rates(rates)
        self._loss_sum = torch.zeros(len(replicas), device=data.inputs.device)  # stays not finite once a loss was
        self._jobs: dict[int, CompileJob] = {}  # by batch size

    def set_rates(self, rates: Sequence[float]) -> None:
        """Set the full learning rates (R,) from the next step on."""
        self._rates = list(rates)
        self._stretches: list[tuple[slice, float]] = []
        for rate, group in groupby(enumerate(rates), key=lambda pair: pair[1]):
            numbers = [number for number, _ in group]
            self._stretches.append((slice(numbers[0], numbers[-1] + 1), rate))

    @torch.no_grad()
    def __call__(self, rows: Tensor, factor: float = 1.0) -> StepLosses:
        """Take one step on ``rows`` (C, B), with ``factor`` times the learning rates."""
        size = rows.shape[1]
        if self.compiling == ALWAYS and size not in self._jobs:
            self._compile(rows)
            self._jobs[size].wait()
        job = self._jobs.get(size)
        is_swapped = job is not None and job.is_over and (job.is_used or self.compiling == ALWAYS)
        if job is not None and is_swapped and job.ready is not None:
            losses = StepLosses(*job.ready(*self._state(), rows, *self._numbers(factor), *self.data))
        else:
            losses = self._eager(rows, factor)
        self._loss_sum += losses.totals
        self.done += 1
        return losses

    def plan(self, batches: Sequence[Tensor], epochs: int, operations: float) -> None:
        """Start compiling where it saves time.

        Args:
            batches: The rows (C, B) of each batch of an epoch.
            epochs: Epochs to come.
            operations: Floating-point operations of the forward pass of one example by one replica.
        """
        if self.compiling != AUTO:
            return
        sizes = Counter(batch.shape[1] for batch in batches)
        for size, count in sizes.most_common():
            if is_worthwhile(count * epochs, 3 * len(self.replicas) * size * operations):
                self._compile(next(batch for batch in batches if batch.shape[1] == size))

    def swap(self) -> None:
        """Use what has been compiled. Called between epochs, so that all steps of an epoch are of one kind."""
        for job in self._jobs.values():
            job.is_used = job.ready is not None

    @property
    def is_over(self) -> bool:
        """Whether nothing is being compiled."""
        return all(job.is_over for job in self._jobs.values())

    @property
    def is_ready(self) -> bool:
        """Whether something was to be compiled and all of it has been."""
        jobs = list(self._jobs.values())
        return bool(jobs) and all(job.is_over and job.ready is not None for job in jobs)

    def wait(self) -> None:
        """Block until nothing is being compiled."""
        for job in self._jobs.values():
            job.wait()

    @property
    def seconds(self) -> float:
        """Seconds spent compiling so far."""
        return sum(job.seconds for job in self._jobs.values())

    def finite(self) -> list[bool]:
        """Return (R,) whether all losses so far were finite."""
        return self._loss_sum.isfinite().tolist()

    def predict_logits(self, inputs: Tensor) -> Tensor:
        """Return logits (R, K, N) for the same inputs (N, ...), of the networks that are evaluated and kept."""
        return self.replicas.predict_logits(*self._evaluated(), inputs)

    def state(self, row: int) -> dict[str, Tensor]:
        """Return the ``state_dict`` of one replica, as it is evaluated and kept."""
        return self.replicas.state(row, *self._evaluated())

    def tensors(self) -> dict[str, Tensor]:
        """Return all that a checkpoint needs beside :attr:`done`."""
        groups = self._groups()
        return {f"{group}/{name}": value for group, values in groups.items() for name, value in values.items()}

    def load(self, tensors: Mapping[str, Tensor], done: int) -> None:
        """Load what :meth:`tensors` returned after ``done`` steps."""
        for name, value in self.tensors().items():
            value.copy_(tensors[name])
        self.done = done

    def _evaluated(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return weights and buffers of the evaluated networks, the moving averages where there are any."""
        weights, buffers = self.replicas.weights, self.replicas.buffers
        if not self.averages:
            return weights, buffers
        return {name: self.averages[name] for name in weights}, {name: self.averages[name] for name in buffers}

    def _groups(self) -> dict[str, dict[str, Tensor]]:
        return {
            "weights": self.replicas.weights,
            "buffers": self.replicas.buffers,
            "first": self.moments.first,
            "second": self.moments.second,
            "averages": self.averages,
            "sum": {"": self._loss_sum},
        }

    def _state(self) -> list[Tensor]:
        values = [value for group, values in self._groups().items() if group != "sum" for value in values.values()]
        return [*values, *self.objective.numbers.values()]

    def _numbers(self, factor: float) -> tuple[Tensor, Tensor]:
        """Return rates (R,), and (3,) Adam's two bias corrections with the fraction by which the average moves."""
        numbers = (*optim.bias_corrections(self.done), 1 - self.recipe.ema if self.done else 1.0)
        device = self._loss_sum.device
        rates = torch.tensor([rate * factor for rate in self._rates], device=device)
        return rates, torch.tensor(numbers, device=device)

    def _eager(self, rows: Tensor, factor: float) -> StepLosses:
        weights, buffers = self.replicas.weights, self.replicas.buffers
        losses, gradients = self._gradient(weights, buffers, self.data.batch(rows), self.objective.numbers)
        rates = [(stretch, rate * factor) for stretch, rate in self._stretches]
        optim.fused_step(self.recipe, weights, gradients, self.moments, done=self.done, rates=rates)
        if self.averages:
            fraction = torch.tensor(1 - self.recipe.ema if self.done else 1.0).to(rows.device)
            optim.update_average(self.averages, {**weights, **buffers}, fraction)
        return StepLosses(losses.totals, losses.parts, losses.labels)

    def _pure(self, arguments: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Take a step as a function of tensors alone, for the compiler; it changes the state in place.

        ``arguments`` are those of :meth:`_state`, the rows, those of :meth:`_numbers`, and the fields of the data.
        """
        remaining = iter(arguments)
        groups = {
            group: {name: next(remaining) for name in values}
            for group, values in self._groups().items()
            if group != "sum"
        }
        options = {name: next(remaining) for name in self.objective.numbers}
        rows, rates, numbers, *data = remaining
        weights, buffers = groups["weights"], groups["buffers"]
        losses, gradients = self._gradient(weights, buffers, ReplicaData(*data).batch(rows), options)
        moments = Moments(groups["first"], groups["second"])
        optim.plain_step(self.recipe, weights, gradients, moments, corrected=numbers[:2], rates=rates)
        optim.update_average(groups["averages"], {**weights, **buffers}, numbers[2])
        return losses.totals, losses.parts, losses.labels

    def _gradient(
        self,
        weights: Mapping[str, Tensor],
        buffers: Mapping[str, Tensor],
        batch: tuple[Tensor, Tensor, Tensor],
        options: Mapping[str, Tensor],
    ) -> tuple[Losses, dict[str, Tensor]]:
        inputs, labels, teachers = batch
        logits, backward = self.replicas.forward(weights, buffers, inputs, self._streams)
        losses = self.objective(logits, labels, teachers, options)
        gradients = backward(losses.gradients)
        if self.recipe.clip:
            optim.clip(gradients, self.recipe.clip)
        return losses, gradients

    def _compile(self, rows: Tensor) -> None:
        arguments = [*self._state(), rows, *self._numbers(1.0)]
        self._jobs[rows.shape[1]] = CompileJob(self._pure, arguments, self.data)
