"""What R replicas minimise: the loss of each, term by term, and its slope with respect to the logits."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.func import vmap

from kd_core.methods import LossInputs, LossPart, Method

BEYOND = {"epoch", "student_features", "teacher_features", "matches", "adapters", "rows", "seed"}  # the logits
OWN = "the labels"  # in the place of a part's name, of replicas without a method


class Losses(NamedTuple):
    """``gradients`` (R, K, B) of the totals with respect to the logits, ``totals`` (R,), raw ``parts`` (P, S) of the S
    taught replicas and cross-entropies ``labels`` (R - S,) of the others, all in nats."""

    gradients: Tensor
    totals: Tensor
    parts: Tensor
    labels: Tensor


class _BeyondError(Exception):
    """A method looks at more than the logits and the labels."""


@dataclass(frozen=True)
class _Guarded(LossInputs):
    """Logits and labels, and nothing else to be looked at."""

    def __getattribute__(self, name: str) -> Any:
        if name in BEYOND:
            raise _BeyondError(name)
        return super().__getattribute__(name)


def varying(methods: Sequence[Method]) -> dict[str, list[float]]:
    """The options that are not the same in all methods. Raises ValueError, with a clause, unless those are numbers."""
    found: dict[str, list[float]] = {}
    if len({type(method) for method in methods}) > 1:
        raise ValueError("their methods differ")
    for name in methods[0].values() if methods else ():
        values = [getattr(method, name) for method in methods]
        if any(value != values[0] for value in values):
            if not all(isinstance(value, float) for value in values):
                raise ValueError(f"the method's option {name} differs and is not a number")
            found[name] = values
    return found


def method_incompatibility(methods: Sequence[Method], classes: int, live: Collection[str] = ()) -> str:
    """Why students taught by these methods cannot be trained as one, as a clause; empty if they can. ``live`` as in
    :class:`ReplicaLoss`."""
    try:
        differing = varying(methods)
    except ValueError as error:
        return str(error)
    if not methods or (methods[0].vectorized_options and methods[0].vectorized_options.issuperset(differing)):
        return ""
    signals = [torch.linspace(-1, 1, 4 * classes).view(4, classes).roll(number) for number in range(2)]
    labels = torch.arange(4) % classes
    try:
        methods[0].parts(_Guarded(signals[0], labels, signals[1]))
        objective = ReplicaLoss(methods, 0, live=live)
        count = len(methods)
        both = [each.T.expand(count, -1, -1).clone() for each in signals]
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # an operation that torch would call once for every student
            objective(both[0], labels.expand(count, -1), both[1].transpose(1, 2))
    except _BeyondError:
        return f"{methods[0].title} looks at more than the logits"
    except (RuntimeError, UserWarning):  # a shape or a branch that depends on the numbers
        return f"{methods[0].title} cannot be computed for several students at once"
    return ""


class ReplicaLoss:
    """Of the students taught by ``methods``, alike but for numbers, followed by as many ``untaught`` replicas.

    ``smoothing`` is that of the labels of replicas without a method. ``lacks_labels``: some are -1; in the place of
    such a label a method finds the teacher's top class. ``live``: options that :meth:`set_methods` may change later.
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
    ) -> None:
        self.taught, self.untaught, self.smoothing, self.lacks_labels = len(methods), untaught, smoothing, lacks_labels
        self.method = methods[0] if methods else None
        self.is_closed = self.method is None or bool(self.method.vectorized_options)
        names = set(varying(methods))
        if self.method is not None and not self.is_closed:
            names |= {name for name in live if isinstance(getattr(self.method, name, None), float)}
        # What the compiler takes for tensors, and not for a part of the program.
        self.numbers = {name: torch.empty(len(methods), device=device) for name in sorted(names)}
        if self.method is not None and self.is_closed:
            self.numbers[""] = torch.empty(len(self.method.vectorized_numbers()), len(methods), 1, 1, device=device)
        self.set_methods(methods)

    def fits(self, methods: Sequence[Method]) -> bool:
        """Whether these methods are like those at hand in all but what :meth:`set_methods` can change."""
        free = self.methods[0].vectorized_options if "" in self.numbers else set(self.numbers)
        return [_rest(method, free) for method in methods] == [_rest(method, free) for method in self.methods]

    def set_methods(self, methods: Sequence[Method]) -> None:
        """Puts the numbers of these methods, otherwise like the first ones, in the place of theirs."""
        self.methods, self.method = list(methods), methods[0] if methods else None
        for name, numbers in self.numbers.items():
            values = [getattr(method, name) for method in methods] if name else _columns(methods)
            numbers.copy_(torch.tensor(values, dtype=torch.float32).view(numbers.shape))

    def __call__(
        self, logits: Tensor, labels: Tensor, teachers: Tensor, numbers: Mapping[str, Tensor] | None = None
    ) -> Losses:
        """For logits (R, K, B), labels (R, B), and the teachers' logits (S, B, K) of the taught replicas."""
        count, numbers = self.taught, self.numbers if numbers is None else numbers
        if not count:
            slopes, own = self._labelled(logits, labels, self.smoothing)
            return Losses(slopes, own, logits.new_empty(0, 0), own)
        loss = self._vectorized if self.is_closed else self._any
        slopes, totals, parts = loss(logits[:count], labels[:count], teachers, numbers)
        if not self.untaught:
            return Losses(slopes, totals, parts, totals[:0])
        beside, own = self._labelled(logits[count:], labels[count:], self.smoothing)
        return Losses(torch.cat([slopes, beside]), torch.cat([totals, own]), parts, own)

    def _labelled(self, logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> tuple[Tensor, Tensor]:
        """Slopes and value (R,) of the cross-entropy, mean over the labelled examples: (q - target) / count."""
        classes, size = logits.shape[1:]
        log_q = logits.log_softmax(1)
        right = labels.clamp(min=0)[:, None] if self.lacks_labels else labels[:, None]
        each = -(1 - smoothing) * log_q.gather(1, right)
        slopes = log_q.exp().scatter_add(1, right, torch.full_like(each, smoothing - 1))
        if smoothing:
            each = each - smoothing * log_q.mean(1, keepdim=True)
            slopes = slopes - smoothing / classes
        if not self.lacks_labels:
            return slopes / size, each.sum((1, 2)) / size
        is_labelled = (labels >= 0)[:, None]
        count = is_labelled.sum(2, keepdim=True).clamp(min=1)
        return slopes * is_labelled / count, (each * is_labelled).sum((1, 2)) / count[:, 0, 0]

    def _vectorized(
        self, logits: Tensor, labels: Tensor, teachers: Tensor, numbers: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """A method with a form of its own for several replicas."""
        assert self.method is not None
        return self.method.vectorized_loss(logits, teachers, self._labelled(logits, labels), numbers[""])

    def _any(
        self, logits: Tensor, labels: Tensor, teachers: Tensor, numbers: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Any method that looks at logits alone, by its own :meth:`~kd_core.methods.Method.parts`."""
        options = {name: values for name, values in numbers.items() if name}
        with torch.enable_grad():
            leaf = logits.detach().requires_grad_()
            totals, parts = vmap(self._one)(options, leaf, labels, teachers)
            (slopes,) = torch.autograd.grad(totals.sum(), leaf)
        return slopes, totals.detach(), torch.stack([part.detach() for part in parts])

    def _one(
        self, options: Mapping[str, Tensor], logits: Tensor, labels: Tensor, teacher: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        """One replica's loss; its logits (K, B)."""
        method = copy.copy(self.method)
        assert method is not None
        for name, value in options.items():
            object.__setattr__(method, name, value)  # not checked again: each of them was when it was chosen
        is_labelled = None
        if self.lacks_labels:
            is_labelled = labels >= 0
            labels = torch.where(is_labelled, labels, teacher.argmax(1))
        parts = method.parts(LossInputs(logits.T, labels, teacher, is_labelled=is_labelled))
        return sum((_weighted(part) for part in parts), torch.zeros(())), [part.value for part in parts]


def _rest(method: Method, free: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in method.values().items() if name not in free}


def _columns(methods: Sequence[Method]) -> list[list[float]]:
    """Numbers (M, S) of the methods' own form for several replicas."""
    return [list(column) for column in zip(*(method.vectorized_numbers() for method in methods), strict=True)]


def _weighted(part: LossPart) -> Tensor:
    """As in :func:`kd_core.methods.total_loss`, a part of weight 0 adds nothing, whatever its value."""
    weight: float | Tensor = part.weight
    if isinstance(weight, Tensor):
        return torch.where(weight == 0, 0.0, part.value) * weight
    return part.value * weight if weight else torch.zeros_like(part.value)
