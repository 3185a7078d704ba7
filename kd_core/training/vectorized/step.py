"""One training step of R replicas, with forward, loss, gradient, clipping, optimiser and average.

For a small network, dispatching the operations takes longer than the arithmetic. Dispatched once for all replicas they
cost little more than for one. A single network is a stack of one.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from kd_core.config.recipe import Recipe, TeacherRecipe
from kd_core.training.data import GATHER_BYTES, split_batches
from kd_core.training.vectorized import compilation, optim
from kd_core.training.vectorized.compilation import ALWAYS, AUTO, CompileJob
from kd_core.training.vectorized.loss import ReplicaLoss
from kd_core.training.vectorized.replicas import Replicas


class StackedBatch(NamedTuple):
    """Examples of one step, with inputs (C, B, ...) of C data streams, labels (R, B), teacher logits (S, B, K)."""

    inputs: Tensor
    labels: Tensor
    teachers: Tensor


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

    def gather(self, rows: Tensor) -> StackedBatch:
        """Return the examples ``rows`` (C, B), positions in the data, as one batch."""
        replica_rows = rows[self.streams]
        taught = replica_rows[: len(self.teacher_index)]
        return StackedBatch(
            self.inputs[rows.to(self.inputs.device)].to(rows.device, non_blocking=True),
            self.labels[self.streams[:, None], replica_rows],
            self.teachers[self.teacher_index[:, None], taught],
        )


class StackedBatches:
    """Batches of ``size`` examples of ``rows`` (C, N), positions in the ``data``.

    They are gathered several at a time, since one indexing operation for all is faster than one for each.
    """

    def __init__(self, data: ReplicaData, rows: Tensor, size: int) -> None:
        self.data, self.rows = data, split_batches(rows, size, dim=1)
        self.sizes = [piece.shape[1] for piece in self.rows]
        self._count = max(1, GATHER_BYTES // max(1, rows[:, :size].numel() * data.inputs[:1].nbytes))
        self._first = 0  # number of the first gathered batch
        self._gathered: list[StackedBatch] = []

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> StackedBatch:
        if not self._first <= number < self._first + len(self._gathered):
            if not 0 <= number < len(self):
                raise IndexError(number)
            chosen = slice(number, number + self._count)
            gathered = self.data.gather(torch.cat(self.rows[chosen], dim=1))
            pieces = [torch.split(values, self.sizes[chosen], dim=1) for values in gathered]
            # A compiled step expects one memory layout.
            self._gathered = [StackedBatch(*(p.contiguous() for p in batch)) for batch in zip(*pieces, strict=True)]
            self._first = number
        return self._gathered[number - self._first]


class StepLosses(NamedTuple):
    """Losses of one step in nats.

    ``totals`` (R,) are minimised; ``parts`` (P, S) are the raw parts of the S replicas with a method; ``labels``
    (R - S,) are the cross-entropies of the others.
    """

    totals: Tensor
    parts: Tensor
    labels: Tensor


class VectorizedStep:
    """Training step of ``replicas``, which changes their weights in place when called with a batch.

    Args:
        replicas: The stacked networks.
        objective: Their loss.
        recipe: Hyper-parameters that they have in common.
        rates: (R,) full learning rates.
        streams: (R,) the data stream of each.
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
        streams: Sequence[int],
        *,
        compiling: str = AUTO,
    ) -> None:
        self.replicas, self.objective, self.recipe, self.rates = replicas, objective, recipe, list(rates)
        self.compiling = compiling
        self.done = 0
        self._streams = list(streams)
        flat, no_weights = replicas.flat, replicas.flat[:0]
        self.state = {
            "weights": flat,
            "first": torch.zeros_like(flat),
            "second": no_weights if recipe.optimiser == "sgd" else torch.zeros_like(flat),
            "average": flat.clone() if recipe.ema else no_weights,
            **{f"buffer/{name}": value for name, value in replicas.buffers.items()},
            **{f"average/{name}": value.clone() for name, value in replicas.buffers.items() if recipe.ema},
        }
        self._loss_sum = torch.zeros(len(replicas), device=flat.device)  # stays not finite once a loss was
        self._jobs: dict[int, CompileJob] = {}  # by batch size

    @torch.no_grad()
    def __call__(self, batch: StackedBatch, factor: float = 1.0) -> StepLosses:
        """Take one step with ``factor`` times the learning rates."""
        size = batch.labels.shape[1]
        if self.compiling == ALWAYS and size not in self._jobs:
            self._compile(size, self._arguments(batch, factor))
            self._jobs[size].wait()
        job = self._jobs.get(size)
        is_swapped = job is not None and job.is_over and (job.is_used or self.compiling == ALWAYS)
        if job is not None and is_swapped and job.ready is not None:
            losses = StepLosses(*job.ready(*self._arguments(batch, factor)))
        else:
            rates = self.rates[0] * factor if self._are_rates_equal else self._spread_rates() * factor
            corrections = optim.bias_corrections(self.done)
            losses = self._take(self.state, None, batch, rates=rates, corrections=corrections, fraction=self._fraction)
        self._loss_sum += losses.totals
        self.done += 1
        return losses

    def plan(self, batches: StackedBatches, epochs: int, operations: float) -> None:
        """Start compiling where it saves time.

        Args:
            batches: The batches of an epoch.
            epochs: Epochs to come.
            operations: Floating-point operations of the forward pass of one example by one replica.
        """
        if self.compiling != AUTO:
            return
        for size, count in Counter(batches.sizes).most_common():
            if compilation.is_worthwhile(count * epochs, 3 * len(self.replicas) * size * operations):
                batch = batches[batches.sizes.index(size)]
                self._compile(size, self._arguments(batch, 1.0))

    def swap(self) -> None:
        """Use what has been compiled. Called between epochs, so that all steps of an epoch are of one kind."""
        for job in self._jobs.values():
            job.is_used = job.ready is not None

    def forget_compiled(self) -> None:
        """Take eager steps from now on."""
        self._jobs.clear()

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
        return self.replicas.predict_logits(*self.evaluated(), inputs)

    def tensors(self) -> dict[str, Tensor]:
        """Return all that a step changes and a checkpoint needs, beside :attr:`done`."""
        return {**self.state, "sum": self._loss_sum}

    def load(self, tensors: Mapping[str, Tensor], done: int) -> None:
        """Load what :meth:`tensors` returned after ``done`` steps."""
        for name, value in self.tensors().items():
            value.copy_(tensors[name])
        self.done = done

    def share(self, network: nn.Module, average: nn.Module | None, row: int) -> None:
        """Make a network the replica of a row that is trained, and another one its moving average."""
        self.replicas.share(network, row, self.state["weights"], self.replicas.buffers)
        if average is not None:
            self.replicas.share(average, row, *self.evaluated())

    def evaluated(self) -> tuple[Tensor, dict[str, Tensor]]:
        """Return weights and buffers of the evaluated networks, the moving averages where there are any."""
        if not self.recipe.ema:
            return self.state["weights"], self.replicas.buffers
        return self.state["average"], {name: self.state[f"average/{name}"] for name in self.replicas.buffers}

    @property
    def _are_rates_equal(self) -> bool:
        return len(set(self.rates)) == 1

    def _spread_rates(self) -> Tensor:
        return self.replicas.spread(torch.tensor(self.rates, device=self._loss_sum.device))

    @property
    def _fraction(self) -> float:
        """By how much of the way the average moves to the weights; the first step sets it to them."""
        return 1 - self.recipe.ema if self.done else 1.0

    def _take(
        self,
        state: Mapping[str, Tensor],
        options: Mapping[str, Tensor] | None,
        batch: Sequence[Tensor],
        *,
        rates: float | Tensor,
        corrections: Sequence[float | Tensor],
        fraction: float | Tensor,
    ) -> StepLosses:
        """Take a step that changes the ``state`` in place."""
        inputs, labels, teachers = batch
        flat, buffers = state["weights"], {name: state[f"buffer/{name}"] for name in self.replicas.buffers}
        logits, backward = self.replicas.forward(flat, buffers, inputs, self._streams)
        losses = self.objective(logits, labels, teachers, options)
        gradient = backward(losses.gradients)
        if self.recipe.clip:
            optim.clip(self.replicas.views(gradient), self.recipe.clip)
        optim.step(self.recipe, flat, gradient, state["first"], state["second"], corrected=corrections, rates=rates)
        if self.recipe.ema:
            optim.update_average(state["average"], flat, fraction)
            for name, value in buffers.items():
                optim.update_average(state[f"average/{name}"], value, fraction)
        return StepLosses(losses.totals, losses.parts, losses.labels)

    def _arguments(self, batch: StackedBatch, factor: float) -> list[Tensor]:
        """Return the arguments of :meth:`_pure`.

        They are the state, the options of the methods, the batch, and one vector of the rates of all replicas (R,), of
        Adam's two bias corrections, and of the fraction by which the average moves.
        """
        numbers = [rate * factor for rate in self.rates] + [*optim.bias_corrections(self.done), self._fraction]
        numbers_tensor = torch.tensor(numbers, device=batch.labels.device)
        return [*self.state.values(), *self.objective.numbers.values(), *batch, numbers_tensor]

    def _compile(self, size: int, arguments: Sequence[Tensor]) -> None:
        """Compile the step for batches of ``size`` examples in the background."""
        traced = copy.copy(self)
        traced.replicas = self.replicas.for_another_thread()
        self._jobs[size] = CompileJob(traced._pure, arguments)

    def _pure(self, arguments: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Take a step as a function of tensors alone, for the compiler, which would make constants of numbers."""
        remaining = iter(arguments)
        state = {name: next(remaining) for name in self.state}
        options = {name: next(remaining) for name in self.objective.numbers}
        *batch, numbers = remaining
        *_, first, second, fraction = numbers
        rates = self.replicas.spread(numbers[: len(self.replicas)])
        return tuple(self._take(state, options, batch, rates=rates, corrections=(first, second), fraction=fraction))
