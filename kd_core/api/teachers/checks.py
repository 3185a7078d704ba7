"""Accuracy of an imported teacher, and other normalisations and orders of classes under which it would be higher."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kd_core.analysis.intervals import Estimate
from kd_core.base.metrics import accuracy
from kd_core.datasets import Data, Split

MAX_EXAMPLES = 5000  # of the validation set, with which the accuracy is measured
MAX_TRIED = 500  # with which another normalisation or another order is tried
LARGE = 40_000  # numbers of an input above which fewer examples are computed, a fifth at the fewest
LEAST_GAIN = 0.005  # accuracy
SIGNIFICANT = 3.0  # standard errors, since many are tried

Function = Callable[[Tensor], Tensor]  # from inputs (N, ...) to logits (N, K)


@dataclass(frozen=True)
class Measurement:
    """Accuracy on some examples, with its 95 % confidence interval and the accuracy of the most frequent class."""

    accuracy: float
    low: float
    high: float
    examples: int
    split: str
    chance: float

    @property
    def is_chance(self) -> bool:
        """Whether the interval holds the accuracy of the most frequent class, or is below it."""
        return self.low <= self.chance


@dataclass(frozen=True)
class Advice:
    """Another normalisation or order of classes with which a teacher classifies better."""

    normalisation: str
    order: tuple[int, ...]
    accuracy: float
    before: float

    def in_words(self, classes: Sequence[str]) -> str:
        """Return what to change and what it gives, as one sentence."""
        change = f"With the normalisation “{self.normalisation}”" if self.normalisation else ""
        if self.order:
            pairs = [f"{name} = output {self.order[place]}" for place, name in enumerate(classes[:4])]
            more = ", …" if len(classes) > 4 else ""
            order = f"with its classes in another order ({', '.join(pairs)}{more})"
            change = f"{change} and {order}" if change else f"W{order[1:]}"
        return f"{change} it classifies {100 * self.accuracy:.1f} % instead of {100 * self.before:.1f} % correctly."


def measure(logits: Tensor, split: Split, name: str) -> Measurement:
    """Return the accuracy of logits (N, K) of the first N examples of a split."""
    labels = split.labels[: len(logits)]
    value = accuracy(logits, labels)
    low, high = Estimate((value,), value, len(labels), (0.0, 1.0)).examples_interval()
    chance = int(labels.bincount().max()) / len(labels)
    return Measurement(value, low, high, len(labels), name, chance)


def best_order(logits: Tensor, labels: Tensor, classes: int) -> tuple[int, ...]:
    """Return for every class the output that is then highest most often, each output for one class."""
    from scipy.optimize import linear_sum_assignment  # takes a third of a second to import

    counts = np.zeros((classes, logits.shape[1]))
    np.add.at(counts, (labels.numpy(), logits.argmax(1).numpy()), 1)
    _, columns = linear_sum_assignment(-counts)
    return tuple(int(column) for column in columns)


def advise(
    function: Callable[[str], Function], data: Data, current: tuple[str, tuple[int, ...]], others: Sequence[str]
) -> list[Advice]:
    """Return what would give a significantly higher accuracy than the current conventions, the best first.

    Orders are chosen on training examples, and everything is compared on the same validation examples.

    Args:
        function: Returns the network, without any order, for a normalisation.
        data: The three splits.
        current: Normalisation and order of classes.
        others: Further normalisations to try.
    """
    normalisation, order = current
    fit, check = _spread(data.train), _spread(data.validation)
    advice: list[Advice] = []
    correct: Tensor | None = None
    for name in (normalisation, *(other for other in others if other != normalisation)):
        network = function(name)
        outputs = network(check.inputs)
        best = best_order(network(fit.inputs), fit.labels, len(data.classes))
        for tried in dict.fromkeys((order, best)):
            is_correct = in_order(outputs, tried).argmax(1) == check.labels
            if correct is None:
                correct = is_correct
            elif _is_better(is_correct, correct):
                change = "" if name == normalisation else name
                advice.append(Advice(change, tried if tried != order else (), *_means(is_correct, correct)))
    return sorted(advice, key=lambda one: (-one.accuracy, bool(one.order) + bool(one.normalisation)))


def advise_on_table(logits: Tensor, split: Split, order: tuple[int, ...]) -> list[Advice]:
    """Return whether another order of classes is significantly better for a table of logits (N, K) of a split.

    It is chosen on every second example and compared on the others.
    """
    best = best_order(logits[::2], split.labels[::2], logits.shape[1])
    labels = split.labels[1::2]
    now, then = (in_order(logits[1::2], tried).argmax(1) == labels for tried in (order, best))
    return [Advice("", best, *_means(then, now))] if best != order and _is_better(then, now) else []


def limit(split: Split, most: int) -> int:
    """Return how many examples of a split are computed, at most ``most``, and fewer of large inputs."""
    numbers = split.inputs[:1].numel()
    return min(len(split), max(most // 5, min(most, most * LARGE // max(1, numbers))))


def _spread(split: Split) -> Split:
    """Return some examples spread evenly over a split."""
    count = limit(split, MAX_TRIED)
    rows = torch.linspace(0, len(split) - 1, count).round().long()
    return Split(split.inputs[rows], split.labels[rows])


def in_order(logits: Tensor, order: tuple[int, ...]) -> Tensor:
    """Return logits (N, K) with the outputs in another order; as they are if it is empty."""
    return logits[:, list(order)] if order else logits


def _is_better(after: Tensor, before: Tensor) -> bool:
    difference = after.double() - before.double()
    error = float(difference.std()) / math.sqrt(len(difference)) if len(difference) > 1 else math.inf
    return float(difference.mean()) > max(LEAST_GAIN, SIGNIFICANT * error)


def _means(after: Tensor, before: Tensor) -> tuple[float, float]:
    return float(after.double().mean()), float(before.double().mean())
