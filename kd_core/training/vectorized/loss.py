"""Losses of R replicas and their gradients with respect to the logits."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.func import vmap

from kd_core.methods import LossInputs, LossPart, Method, sum_tensors

LOOPED = 4  # students at most whose losses are computed one after the other, which for a few is faster than vectorised
# Inputs of a method that only a step of a single network can give.
NON_LOGIT_INPUTS = {
    "epoch", "student_features", "teacher_features", "matches", "adapters", "rows", "seed", "student_classifier",
    "teacher_classifier",
}  # fmt: skip


class Losses(NamedTuple):
    """Losses of one batch in nats.

    Attributes:
        gradients: (R, K, B) of the totals with respect to the logits.
        totals: (R,) weighted sums of the parts.
        parts: (P, S) raw parts of the S replicas with a method.
        labels: (R - S,) cross-entropies of the others.
    """

    gradients: Tensor
    totals: Tensor
    parts: Tensor
    labels: Tensor


class _NonLogitInputError(Exception):
    """A method reads more than logits and labels."""


@dataclass(frozen=True)
class _LogitInputs(LossInputs):
    """Logits and labels; reading anything else raises."""

    def __getattribute__(self, name: str) -> Any:
        if name in NON_LOGIT_INPUTS:
            raise _NonLogitInputError(name)
        return super().__getattribute__(name)


def varying(methods: Sequence[Method]) -> dict[str, list[float]]:
    """Return the values of the options that differ between methods.

    Raises ValueError, with a clause, if the methods are of several classes or an option that differs is no number.
    """
    differing: dict[str, list[float]] = {}
    if len({type(method) for method in methods}) > 1:
        raise ValueError("their methods differ")
    for name in methods[0].values() if methods else ():
        values = [getattr(method, name) for method in methods]
        if any(value != values[0] for value in values):
            if not all(isinstance(value, float) for value in values):
                raise ValueError(f"the method's option {name} differs and is not a number")
            differing[name] = values
    return differing


def method_incompatibility(methods: Sequence[Method], classes: int, live: Collection[str] = ()) -> str:
    """Return why students with these methods cannot be trained as one, as a clause; empty if they can.

    ``live`` is as in :class:`ReplicaLoss`.
    """
    try:
        differing = varying(methods)
    except ValueError as error:
        return str(error)
    if not methods or (methods[0].vectorized_options and methods[0].vectorized_options.issuperset(differing)):
        return ""
    student, teacher = (torch.linspace(-1, 1, 4 * classes).view(4, classes).roll(shift) for shift in range(2))
    labels = torch.arange(4) % classes
    try:
        methods[0].parts(_LogitInputs(student, labels, teacher))
        objective = ReplicaLoss(methods, 0, live=live, looped=0)
        count = len(methods)
        logits = student.T.expand(count, -1, -1).clone()
        teachers = teacher.T.expand(count, -1, -1).clone().transpose(1, 2)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of an operation without batching rule, called once for every student
            objective(logits, labels.expand(count, -1), teachers)
    except _NonLogitInputError:
        return f"{methods[0].title} reads more than logits"
    except (RuntimeError, UserWarning):  # a shape or a branch that depends on values
        return f"{methods[0].title} cannot be computed for several students at once"
    return ""


def reads_only_logits(method: Method, classes: int) -> bool:
    """Return whether the loss depends on nothing but logits and labels."""
    logits, labels = torch.linspace(-1, 1, 4 * classes).view(4, classes), torch.arange(4) % classes
    try:
        method.parts(_LogitInputs(logits, labels, logits.roll(1)))
    except _NonLogitInputError:
        return False
    return True


class ReplicaLoss:
    """Loss of R replicas, S students with a method each, then ``untaught`` ones that learn from labels alone.

    Args:
        methods: S methods of one class that differ in numbers at most.
        untaught: Number of replicas without a method.
        smoothing: Label smoothing of these.
        lacks_labels: Whether some labels are -1; a method gets the teacher's top class instead.
        live: Options that :meth:`set_methods` may change later.
        device: Where the logits will be.
        looped: Students at most whose losses are computed one after the other.
    """

    def __init__(
        self,
        methods: Sequence[Method],
        untaught: int,
        *,
        smoothing: float = 0.0,
        lacks_labels: bool = False,
        live: Collection[str] = (),
        device: torch.device | str = "cpu",
        looped: int = LOOPED,
    ) -> None:
        self.taught, self.untaught, self.smoothing, self.lacks_labels = len(methods), untaught, smoothing, lacks_labels
        self.is_looped = len(methods) <= looped
        self.method = methods[0] if methods else None
        self.is_closed = self.method is None or bool(self.method.vectorized_options)
        names = set(varying(methods))
        if self.method is not None and not self.is_closed:
            names |= {name for name in live if isinstance(getattr(self.method, name, None), float)}
        # Tensors, because the compiler would turn numbers into constants.
        self.numbers = {name: torch.empty(len(methods), device=device) for name in sorted(names)}
        if self.method is not None and self.is_closed:
            self.numbers[""] = torch.empty(len(self.method.vectorized_numbers()), len(methods), 1, 1, device=device)
        self.set_methods(methods)

    def fits(self, methods: Sequence[Method]) -> bool:
        """Return whether these methods differ from the present ones only in what :meth:`set_methods` can change."""
        free = self.methods[0].vectorized_options if "" in self.numbers else set(self.numbers)
        return [_fixed_options(m, free) for m in methods] == [_fixed_options(m, free) for m in self.methods]

    def set_methods(self, methods: Sequence[Method]) -> None:
        """Replace the methods by others for which :meth:`fits` is true."""
        self.methods, self.method = list(methods), methods[0] if methods else None
        for name, numbers in self.numbers.items():
            values = [getattr(method, name) for method in methods] if name else _columns(methods)
            numbers.copy_(torch.tensor(values, dtype=torch.float32).view(numbers.shape))

    def __call__(
        self, logits: Tensor, labels: Tensor, teachers: Tensor, numbers: Mapping[str, Tensor] | None = None
    ) -> Losses:
        """Return the losses for logits (R, K, B), labels (R, B) and teacher logits (S, B, K).

        ``numbers`` are tensors in the place of :attr:`numbers`.
        """
        count, numbers = self.taught, self.numbers if numbers is None else numbers
        if not count:
            gradients, label_losses = self._cross_entropy(logits, labels, self.smoothing)
            return Losses(gradients, label_losses, logits.new_empty(0, 0), label_losses)
        loss = self._vectorized if self.is_closed else self._any
        gradients, totals, parts = loss(logits[:count], labels[:count], teachers, numbers)
        if not self.untaught:
            return Losses(gradients, totals, parts, totals[:0])
        label_gradients, label_losses = self._cross_entropy(logits[count:], labels[count:], self.smoothing)
        gradients, totals = torch.cat([gradients, label_gradients]), torch.cat([totals, label_losses])
        return Losses(gradients, totals, parts, label_losses)

    def _cross_entropy(self, logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> tuple[Tensor, Tensor]:
        """Return gradients and values (R,) of the mean over the labelled examples; a gradient is (q - target) / count.

        ``logits`` are (R, K, B), ``labels`` (R, B).
        """
        classes, size = logits.shape[1:]
        log_q = logits.log_softmax(1)
        targets = labels.clamp(min=0)[:, None] if self.lacks_labels else labels[:, None]
        losses = -(1 - smoothing) * log_q.gather(1, targets)
        gradients = log_q.exp().scatter_add(1, targets, torch.full_like(losses, smoothing - 1))
        if smoothing:
            losses = losses - smoothing * log_q.mean(1, keepdim=True)
            gradients = gradients - smoothing / classes
        if not self.lacks_labels:
            return gradients / size, losses.sum((1, 2)) / size
        is_labelled = (labels >= 0)[:, None]
        count = is_labelled.sum(2, keepdim=True).clamp(min=1)
        return gradients * is_labelled / count, (losses * is_labelled).sum((1, 2)) / count[:, 0, 0]

    def _vectorized(
        self, logits: Tensor, labels: Tensor, teachers: Tensor, numbers: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the loss of a method that has a vectorised form."""
        assert self.method is not None
        return self.method.vectorized_loss(logits, teachers, self._cross_entropy(logits, labels), numbers[""])

    def _any(
        self, logits: Tensor, labels: Tensor, teachers: Tensor, numbers: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Any method that reads logits alone, through its :meth:`~kd_core.methods.Method.parts` and autograd."""
        options = {name: values for name, values in numbers.items() if name}
        with torch.enable_grad():
            leaf = logits.detach().requires_grad_()
            if self.is_looped:
                signals = zip(leaf.unbind(), labels, teachers, self.methods, strict=True)
                rows = [
                    self._replica_loss({name: values[row] for name, values in options.items()}, z, y, teacher, method)
                    for row, (z, y, teacher, method) in enumerate(signals)
                ]
                totals = torch.stack([total for total, _ in rows])
                parts = [torch.stack(values) for values in zip(*(values for _, values in rows), strict=True)]
            else:
                totals, parts = vmap(self._replica_loss)(options, leaf, labels, teachers)
            (gradients,) = torch.autograd.grad(totals.sum(), leaf)
        return gradients, totals.detach(), torch.stack([part.detach() for part in parts])

    def _replica_loss(
        self,
        options: Mapping[str, Tensor],
        logits: Tensor,
        labels: Tensor,
        teacher: Tensor,
        method: Method | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """Return total and parts of one replica; ``logits`` (K, B), ``labels`` (B,), ``teacher`` (B, K)."""
        method = copy.copy(method or self.methods[0])
        for name, value in options.items():
            object.__setattr__(method, name, value)  # unchecked, because a tensor under vmap has no value to check
        is_labelled = None
        if self.lacks_labels:
            is_labelled = labels >= 0
            labels = torch.where(is_labelled, labels, teacher.argmax(1))
        parts = method.parts(LossInputs(logits.T, labels, teacher, is_labelled=is_labelled))
        return sum_tensors([_weighted(part) for part in parts]), [part.value for part in parts]


def _fixed_options(method: Method, free: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in method.values().items() if name not in free}


def _columns(methods: Sequence[Method]) -> list[list[float]]:
    """Return the numbers (M, S) of the vectorised form, one column per method."""
    return [list(column) for column in zip(*(method.vectorized_numbers() for method in methods), strict=True)]


def _weighted(part: LossPart) -> Tensor:
    """Return value times weight; as in :func:`kd_core.methods.total_loss`, weight 0 gives 0 even for NaN."""
    weight: float | Tensor = part.weight
    if isinstance(weight, Tensor):
        return torch.where(weight == 0, 0.0, part.value) * weight
    return part.value * weight if weight else torch.zeros_like(part.value)
