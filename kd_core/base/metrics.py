"""Accuracy, recall, agreement, NLL, entropy, calibration error and temperature scaling.

Pure functions of logits (N, K) and labels (N,) that return plain values.
"""

from __future__ import annotations

import base64
import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

LARGEST = 1e30  # logit
BINS = 15  # of confidence
UNBALANCED = 3  # ratio of the largest to the smallest class above which accuracy alone misleads
STANDARD = frozenset({
    "accuracy", "loss", "calibration_error", "entropy", "examples", "correct", "agreement", "omitted",
    "omitted_examples", "omitted_correct", "recalls", "balanced_accuracy",
})  # fmt: skip
Metric = Callable[[Tensor, Tensor], Any]

_metrics: dict[str, Metric] = {}  # added by :func:`metric`, by name

log = logging.getLogger(__name__)


def fraction(mask: Tensor) -> float:
    """Return the fraction of true values in a mask (N,); NaN for an empty one."""
    return int(mask.count_nonzero()) / len(mask) if len(mask) else math.nan


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Return the fraction of examples whose top class is the label."""
    return fraction(logits.argmax(1) == labels)


def agreement(logits: Tensor, teacher_logits: Tensor) -> float:
    """Return the fraction of examples on which the student's top class is the teacher's, whether right or wrong."""
    return fraction(logits.argmax(1) == teacher_logits.argmax(1))


def recalls(logits: Tensor, labels: Tensor) -> list[float | None]:
    """Return the fraction of each class's examples that are classified correctly; None for a class without any."""
    predicted, classes = logits.argmax(1), range(logits.shape[1])
    members = [labels == label for label in classes]
    return [fraction(predicted[rows] == labels[rows]) if rows.any() else None for rows in members]


def is_unbalanced(labels: Tensor) -> bool:
    """Whether one class has more than :data:`UNBALANCED` times as many examples as another that occurs."""
    counts = labels.bincount()
    counts = counts[counts > 0]
    return len(counts) > 1 and bool(counts.max() > UNBALANCED * counts.min())


def pack_mask(mask: Tensor) -> str:
    """Return a mask (N,) as base64 of its bits, padded with zeros to whole bytes."""
    return base64.b64encode(np.packbits(mask.cpu().numpy()).tobytes()).decode()


def nll(logits: Tensor, labels: Tensor) -> float:
    """Return the negative log-likelihood of the labels in nats, mean over the examples."""
    # The softmax of few classes is several times faster along the first dimension.
    return F.nll_loss(logits.t().double().log_softmax(0).t(), labels).item()


def entropy(logits: Tensor, temperature: float = 1.0) -> float:
    """Return the mean entropy of softmax(logits / temperature) in nats, from 0 (certain) to ln K (uniform)."""
    log_p = F.log_softmax(logits.double() / temperature, dim=1)
    return -(log_p.exp() * log_p).sum(1).mean().item()


def best_temperature(logits: Tensor, labels: Tensor, low: float, high: float) -> float:
    """Return the temperature in [low, high] that minimizes the NLL of the labels (temperature scaling).

    Guo et al., "On Calibration of Modern Neural Networks" (2017), section 4.2. The loss is convex in 1/T.
    """
    from scipy.optimize import minimize_scalar  # takes half a second to import

    exact = logits.double()
    loss = minimize_scalar(
        lambda inverse: nll(exact * inverse, labels), bounds=(1 / high, 1 / low), method="bounded",
        options={"xatol": 1e-9},
    )  # fmt: skip
    return float(1 / loss.x)


def calibration_error(logits: Tensor, labels: Tensor, bins: int = BINS) -> float:
    """Return the expected calibration error, the mean gap between confidence and accuracy over bins of equal width.

    Guo et al., "On Calibration of Modern Neural Networks" (2017), section 2, equation 3.
    """
    confidence, predicted = F.softmax(logits.double(), dim=1).max(1)
    correct = (predicted == labels).double()
    bin_of = (confidence * bins).ceil().clamp(1, bins)
    error = 0.0
    for number in range(1, bins + 1):
        in_bin = bin_of == number
        if in_bin.any():
            gap = (correct[in_bin].mean() - confidence[in_bin].mean()).abs().item()
            error += gap * in_bin.double().mean().item()
    return error


def compute_metrics(
    logits: Tensor,
    labels: Tensor,
    teacher_logits: Tensor | None = None,
    omitted: int | None = None,
    *,
    by_class: bool = True,
) -> dict[str, Any]:
    """Return all metrics of one network on one split, always finite.

    Always ``accuracy``, ``loss``, ``calibration_error``, ``entropy``, the number of ``examples``, and which of them are
    ``correct`` (:func:`pack_mask`), since a paired comparison of two networks needs it. With a teacher ``agreement``.
    With a class ``omitted`` in training its recall, ``omitted_examples`` and ``omitted_correct``. With classes of very
    different size (:func:`is_unbalanced`) the ``recalls`` by class and their mean, ``balanced_accuracy``, unless these
    are not wanted ``by_class``.
    """
    logits = logits.nan_to_num(0.0, LARGEST, -LARGEST)  # a network that overflowed
    metrics = _standard_metrics(logits, labels, teacher_logits, omitted)
    if by_class and is_unbalanced(labels):
        metrics["recalls"] = recalls(logits, labels)
        present = [recall for recall in metrics["recalls"] if recall is not None]
        metrics["balanced_accuracy"] = sum(present) / len(present)
    return metrics | _added_metrics(logits, labels)


def _standard_metrics(
    logits: Tensor, labels: Tensor, teacher_logits: Tensor | None, omitted: int | None
) -> dict[str, Any]:
    is_correct = logits.argmax(1) == labels
    metrics: dict[str, Any] = {
        "accuracy": accuracy(logits, labels),
        "loss": nll(logits, labels),
        "calibration_error": calibration_error(logits, labels),
        "entropy": entropy(logits),
        "examples": float(len(labels)),
        "correct": pack_mask(is_correct),
    }
    if teacher_logits is not None:
        metrics["agreement"] = agreement(logits, teacher_logits)
    if omitted is not None:
        rows = labels == omitted
        metrics["omitted"] = fraction(is_correct[rows])
        metrics["omitted_examples"] = float(rows.count_nonzero())
        metrics["omitted_correct"] = pack_mask(is_correct[rows])
    return metrics


def metric(function: Metric) -> Metric:
    """Add a function of logits (N, K) and labels (N,) to the metrics on the test set. For use as a decorator.

        @kd.metric
        def top_3(logits, labels):
            return (logits.topk(3).indices == labels[:, None]).any(1).double().mean()

    It is computed for every run that ends in this process, and stored with the run under the function's name. Raises
    ValueError for the name of a metric that there is already.
    """
    if not callable(function) or not hasattr(function, "__name__"):
        raise ValueError(f"metric: {function!r:.60} is no function with a name; decorate one with kd.metric.")
    if function.__name__ in STANDARD:
        raise ValueError(f"{function.__name__}: there is such a metric already; give the function another name.")
    _metrics[function.__name__] = function
    return function


def added_metrics(stored: Mapping[str, Any]) -> dict[str, float]:
    """Return the added ones among the stored metrics of a network, by name."""
    return {name: value for name, value in stored.items() if name not in STANDARD}


def check_metrics(classes: int) -> None:
    """Raise ValueError, with the name, for an added metric that returns no finite number for random logits."""
    random = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(8 * classes, classes, generator=random), torch.arange(8 * classes) % classes
    for name, function in _metrics.items():
        try:
            value = float(function(logits, labels))
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise ValueError(f"{name}: the metric must return a number for logits (N, K) ({reason}).") from error
        if not math.isfinite(value):
            raise ValueError(f"{name}: the metric is {value} for random logits; it must be finite.")


def _added_metrics(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Return the added metrics; what fails is left out, since the run that it belongs to is complete."""
    values = {}
    for name, function in _metrics.items():
        try:
            value = float(function(logits.clone(), labels.clone()))
        except Exception:
            log.warning("the metric %s could not be computed", name, exc_info=True)
            continue
        if math.isfinite(value):
            values[name] = value
    return values
