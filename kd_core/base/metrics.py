"""Measures of a network's answers: pure functions of logits (N, K) and labels (N,), returning plain floats."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional as F

LARGEST = 1e30
BINS = 15  # of confidence


def fraction(mask: Tensor) -> float:
    """Share of examples (N,) of which something is true; NaN of none."""
    return int(mask.count_nonzero()) / len(mask) if len(mask) else math.nan


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Share of examples whose top class is the label."""
    return fraction(logits.argmax(1) == labels)


def agreement(logits: Tensor, teacher_logits: Tensor) -> float:
    """Share of examples on which the student's top class is the teacher's. Says nothing about being right."""
    return fraction(logits.argmax(1) == teacher_logits.argmax(1))


def nll(logits: Tensor, labels: Tensor) -> float:
    """Negative log-likelihood of the labels, in nats, mean over the examples."""
    # Along the first dimension the softmax of a few classes is several times faster.
    return F.nll_loss(logits.t().double().log_softmax(0).t(), labels).item()


def entropy(logits: Tensor, temperature: float = 1.0) -> float:
    """Mean entropy of the softened answers in nats: 0 is certain, ln K knows nothing."""
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
    """Expected calibration error: how far confidence is from accuracy, averaged over equally wide bins of confidence.

    Guo et al., "On Calibration of Modern Neural Networks" (2017), section 2, equation 3.
    """
    confidence, answer = F.softmax(logits.double(), dim=1).max(1)
    right = (answer == labels).double()
    bin_of = (confidence * bins).ceil().clamp(1, bins)
    error = 0.0
    for number in range(1, bins + 1):
        inside = bin_of == number
        if inside.any():
            gap = (right[inside].mean() - confidence[inside].mean()).abs().item()
            error += gap * inside.double().mean().item()
    return error


def compute_metrics(
    logits: Tensor, labels: Tensor, teacher_logits: Tensor | None = None, omitted: int | None = None
) -> dict[str, float]:
    """All measures of one network on one split; the agreement where there is a teacher, and the recall of a class
    that was ``omitted`` in training. Always finite."""
    logits = logits.nan_to_num(0.0, LARGEST, -LARGEST)  # of a network that overflowed: hopeless, not unprintable
    measures = {
        "accuracy": accuracy(logits, labels),
        "loss": nll(logits, labels),
        "calibration_error": calibration_error(logits, labels),
        "entropy": entropy(logits),
        "examples": float(len(labels)),
    }
    if teacher_logits is not None:
        measures["agreement"] = agreement(logits, teacher_logits)
    if omitted is not None:
        measures["omitted"] = accuracy(logits[labels == omitted], labels[labels == omitted])
    return measures
