"""Networks derived from trained ones at the end of a phase, such as ensembles, merged and corrected classifiers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from kd_core.base.metrics import best_temperature
from kd_core.config.plan import AVERAGE, CORRECTED, MEAN_LOGITS, RAW, DerivedPlan
from kd_core.datasets import Data, Split
from kd_core.nn.composite import (
    UNKNOWN,
    AnswerAverage,
    EnsembleAverage,
    LogitBias,
    MergedClassifiers,
    prior_matching_bias,
)
from kd_core.nn.inference import freeze, predict_logits

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.25, 20.0  # that calibrate a teacher


def build_derived(
    derived: DerivedPlan, networks: Mapping[str, nn.Module], data: Data, device: torch.device
) -> nn.Module:
    """Return the derived network, frozen; its constants are fitted on the validation split."""
    members = [networks[role] for role in derived.sources]
    if derived.how in {AVERAGE, MEAN_LOGITS}:
        of_logits = derived.how == MEAN_LOGITS or not data.task.has_class_rows
        if data.has_answers and not of_logits:
            return freeze(AnswerAverage(members, derived.weights))
        return freeze(EnsembleAverage(members, derived.weights, of_logits=of_logits))
    logits = [predict_logits(member, data.validation.inputs).cpu() for member in members]
    if derived.how == CORRECTED:
        bias = torch.zeros(len(data.classes))
        bias[derived.omitted] = prior_matching_bias(logits[0], data.validation.labels, derived.omitted)
        return freeze(LogitBias(members[0], bias.to(device)))
    if derived.how == RAW:
        return freeze(MergedClassifiers(members, [1.0] * len(members), [0.0] * len(members)))
    return freeze(MergedClassifiers(members, *calibrate(logits, data.validation)))


def calibrate(logits: Sequence[Tensor], split: Split) -> tuple[list[float], list[float]]:
    """Return temperatures and shifts that make the logits of networks for different classes comparable.

    Each network is divided by the temperature that calibrates it on its own classes (Guo et al. 2017, section 4.2).
    The shift then moves the log-sum-exp of its logits, so that 0 is halfway between the median over examples of its
    classes and the median over others.

    Args:
        logits: (N, K) of each network on the split; unknown classes are very negative.
        split: Labelled examples of all classes.
    """
    temperatures, shifts = [], []
    for network_logits in logits:
        is_class_known = network_logits[0] > UNKNOWN / 2
        is_known = is_class_known[split.labels]
        labels = (is_class_known.cumsum(0) - 1)[split.labels[is_known]]  # positions among the known classes
        temperature = best_temperature(
            network_logits[is_known][:, is_class_known], labels, MIN_TEMPERATURE, MAX_TEMPERATURE
        )
        energy = (network_logits / temperature).logsumexp(1)
        midpoint = (energy[is_known].median() + energy[~is_known].median()) / 2 if (~is_known).any() else 0.0
        temperatures.append(temperature)
        shifts.append(-float(midpoint))
    return temperatures, shifts
