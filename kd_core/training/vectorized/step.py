"""The whole training step of R replicas as one function: gather, forward, loss, gradient, clipping, optimiser, average.

Small networks train as fast as their operations can be called, not as they can be computed. Called once for all
replicas they cost little more than for one. A single network is a stack of one.
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
    """The examples that stay on the device, and who is shown what of them.

    ``inputs`` (N, ...); ``labels`` (C, N) as given in each of C courses, -1 for none; ``teachers`` (U, N, K), the
    logits of U teachers; ``streams`` (R,): the course of each replica; ``teacher_index`` (S,): the teacher of each of the
    first S replicas.
    """

    inputs: Tensor
    labels: Tensor
    teachers: Tensor
    streams: Tensor
    teacher_index: Tensor

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs (C, B, ...), labels (R, B) and teachers' logits (S, B, K) of ``rows`` (C, B): positions in N."""
        own = rows[self.streams]
        count, size = own.shape
        inputs = self.inputs.index_select(0, rows.flatten()).view(*rows.shape, *self.inputs.shape[1:])
        examples = self.labels.shape[1]
        places = self.streams[:, None] * examples + own
        labels = self.labels.flatten().index_select(0, places.flatten()).view(count, size)
        asked = (self.teacher_index[:, None] * examples + own[: len(self.teacher_index)]).flatten()
        answers = (
            self.teachers.flatten(0, 1)
            .index_select(0, asked)
            .view(len(self.teacher_index), size, self.teachers.shape[2])
        )
        return inputs, labels, answers


class StepLosses(NamedTuple):
    """Losses of one step in nats: the minimised sum (R,), the method's raw parts (P, S), the other cross-entropies."""

    totals: Tensor
    parts: Tensor
    labels: Tensor


class VectorizedStep:
    """Called with the rows of a step, it makes the step. ``rates`` (R,) are the full learning rates of the replicas;
    equal ones should stand together. The weights in ``replicas`` change in place.

    ``compiling``: "never"; "auto", in the background, used from the next :meth:`swap` on; or "always", and
    waited for. A machine without a compiler never compiles. Both ways agree but for rounding.
    """

    def __init__(
        self,
        replicas: Replicas,
        objective: ReplicaLoss,
        recipe: Recipe | TeacherRecipe,
        rates: Sequence[float],
        shown: ReplicaData,
        *,
        compiling: str = AUTO,
    ) -> None:
        self.replicas, self.objective, self.recipe, self.data = replicas, objective, recipe, shown
        self.compiling = compiling
        self.done = 0
        self._courses: list[int] = shown.streams.tolist()
        self.moments = Moments.of(replicas.weights, recipe.optimiser)
        current = {**replicas.weights, **replicas.buffers}
        self.averages = {name: value.clone() for name, value in current.items()} if recipe.ema else {}
        self.set_rates(rates)
        self._sum = torch.zeros(len(replicas), device=shown.inputs.device)  # not finite once a loss was not
        self._compiled: dict[int, CompileJob] = {}  # by the size of the batch

    def set_rates(self, rates: Sequence[float]) -> None:
        """Other full learning rates (R,) from the next step on."""
        self._rates = list(rates)
        self._stretches: list[tuple[slice, float]] = []
        for rate, group in groupby(enumerate(rates), key=lambda pair: pair[1]):
            numbers = [number for number, _ in group]
            self._stretches.append((slice(numbers[0], numbers[-1] + 1), rate))

    @torch.no_grad()
    def __call__(self, rows: Tensor, share: float = 1.0) -> StepLosses:
        """One step on ``rows`` (C, B) of the examples shown, at ``share`` of the learning rates."""
        size = rows.shape[1]
        if self.compiling == ALWAYS and size not in self._compiled:
            self._prepare(rows)
            self._compiled[size].wait()
        compiled = self._compiled.get(size)
        is_swapped = compiled is not None and compiled.is_over and (compiled.is_used or self.compiling == ALWAYS)
        if compiled is not None and is_swapped and compiled.ready is not None:
            told = StepLosses(*compiled.ready(*self._state(), rows, *self._numbers(share), *self.data))
        else:
            told = self._eager(rows, share)
        self._sum += told.totals
        self.done += 1
        return told

    def plan(self, rows: Sequence[Tensor], epochs: int, operations: float) -> None:
        """Compiles what pays, given the batches of an epoch, the epochs to come, and the floating-point operations of
        one example's forward pass of one replica."""
        if self.compiling != AUTO:
            return
        sizes = Counter(batch.shape[1] for batch in rows)
        for size, count in sizes.most_common():
            if is_worthwhile(count * epochs, 3 * len(self.replicas) * size * operations):
                self._prepare(next(batch for batch in rows if batch.shape[1] == size))

    def swap(self) -> None:
        """Takes into use what has been compiled; between two epochs, so that an epoch is computed one way."""
        for compiled in self._compiled.values():
            compiled.is_used = compiled.ready is not None

    @property
    def is_over(self) -> bool:
        """Whether nothing is being compiled."""
        return all(compiled.is_over for compiled in self._compiled.values())

    @property
    def is_ready(self) -> bool:
        """Whether all that was to be compiled is there, and that is something."""
        made = list(self._compiled.values())
        return bool(made) and all(compiled.is_over and compiled.ready is not None for compiled in made)

    def wait(self) -> None:
        """Until all that is being compiled is ready."""
        for compiled in self._compiled.values():
            compiled.wait()

    @property
    def seconds(self) -> float:
        """Spent compiling so far."""
        return sum(compiled.seconds for compiled in self._compiled.values())

    def finite(self) -> list[bool]:
        """(R,) whether the losses of all steps so far were finite."""
        return self._sum.isfinite().tolist()

    def predict_logits(self, inputs: Tensor) -> Tensor:
        """Logits (R, K, N) for the same inputs (N, ...), of the networks that are tested and kept."""
        return self.replicas.predict_logits(*self._tested(), inputs)

    def state(self, row: int) -> dict[str, Tensor]:
        """The network of one replica that is tested and kept, as a ``state_dict``."""
        return self.replicas.state(row, *self._tested())

    def tensors(self) -> dict[str, Tensor]:
        """All that is needed to go on, beside :attr:`done`."""
        groups = self._groups()
        return {f"{group}/{name}": value for group, own in groups.items() for name, value in own.items()}

    def load(self, tensors: Mapping[str, Tensor], done: int) -> None:
        """What :meth:`tensors` gave, after so many steps."""
        for name, value in self.tensors().items():
            value.copy_(tensors[name])
        self.done = done

    def _tested(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        if not self.averages:
            return self.replicas.weights, self.replicas.buffers
        return tuple({name: self.averages[name] for name in own}  # type: ignore[return-value]
                     for own in (self.replicas.weights, self.replicas.buffers))  # fmt: skip

    def _groups(self) -> dict[str, dict[str, Tensor]]:
        return {
            "weights": self.replicas.weights,
            "buffers": self.replicas.buffers,
            "first": self.moments.first,
            "second": self.moments.second,
            "averages": self.averages,
            "sum": {"": self._sum},
        }

    def _state(self) -> list[Tensor]:
        kept = [value for group, own in self._groups().items() if group != "sum" for value in own.values()]
        return [*kept, *self.objective.numbers.values()]

    def _numbers(self, share: float) -> tuple[Tensor, Tensor]:
        """The rates (R,), and Adam's two corrections with the share by which the average moves (3,)."""
        numbers = (*optim.bias_corrections(self.done), 1 - self.recipe.ema if self.done else 1.0)
        device = self._sum.device
        return torch.tensor([rate * share for rate in self._rates], device=device), torch.tensor(numbers, device=device)

    def _eager(self, rows: Tensor, share: float) -> StepLosses:
        weights, buffers = self.replicas.weights, self.replicas.buffers
        losses, slopes = self._gradient(weights, buffers, self.data.batch(rows), self.objective.numbers)
        rates = [(stretch, rate * share) for stretch, rate in self._stretches]
        optim.fused_step(self.recipe, weights, slopes, self.moments, done=self.done, rates=rates)
        if self.averages:
            moved = torch.tensor(1 - self.recipe.ema if self.done else 1.0).to(rows.device)
            optim.update_average(self.averages, {**weights, **buffers}, moved)
        return StepLosses(losses.totals, losses.parts, losses.labels)

    def _plain(self, arguments: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The same of tensors alone, in place: those of :meth:`_state`, rows, rates and numbers, what is shown."""
        left = iter(arguments)
        groups = {group: {name: next(left) for name in own} for group, own in self._groups().items() if group != "sum"}
        options = {name: next(left) for name in self.objective.numbers}
        rows, rates, numbers, *shown = left
        weights, buffers = groups["weights"], groups["buffers"]
        losses, slopes = self._gradient(weights, buffers, ReplicaData(*shown).batch(rows), options)
        moments = Moments(groups["first"], groups["second"])
        optim.plain_step(self.recipe, weights, slopes, moments, corrected=numbers[:2], rates=rates)
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
        logits, back = self.replicas.forward(weights, buffers, inputs, self._courses)
        losses = self.objective(logits, labels, teachers, options)
        slopes = back(losses.gradients)
        if self.recipe.clip:
            optim.clip(slopes, self.recipe.clip)
        return losses, slopes

    def _prepare(self, rows: Tensor) -> None:
        arguments = [*self._state(), rows, *self._numbers(1.0)]
        self._compiled[rows.shape[1]] = CompileJob(self._plain, arguments, self.data)
