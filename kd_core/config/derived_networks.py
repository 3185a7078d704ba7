"""Networks that nobody trains, made of trained ones at the end of a phase; what they need is measured on validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from kd_core.base.metrics import best_temperature
from kd_core.config.plan import AVERAGE, CORRECTED, MEAN_LOGITS, RAW, DerivedPlan
from kd_core.datasets import Data, Split
from kd_core.nn.composite import UNKNOWN, EnsembleAverage, LogitBias, MergedClassifiers, prior_matching_bias
from kd_core.nn.inference import freeze, predict_logits

COLDEST, HOTTEST = 0.25, 20.0  # temperatures that calibrate a teacher


def build_derived(
    derived: DerivedPlan, networks: Mapping[str, nn.Module], data: Data, device: torch.device
) -> nn.Module:
    """The network, frozen, on the device."""
    members = [networks[role] for role in derived.sources]
    if derived.how in {AVERAGE, MEAN_LOGITS}:
        return freeze(EnsembleAverage(members, derived.weights, of_logits=derived.how == MEAN_LOGITS))
    logits = [predict_logits(member, data.validation.inputs).cpu() for member in members]
    if derived.how == CORRECTED:
        bias = torch.zeros(len(data.classes))
        bias[derived.omitted] = prior_matching_bias(logits[0], data.validation.labels, derived.omitted)
        return freeze(LogitBias(members[0], bias.to(device)))
    if derived.how == RAW:
        return freeze(MergedClassifiers(members, [1.0] * len(members), [0.0] * len(members)))
    return freeze(MergedClassifiers(members, *calibrate(logits, data.validation)))


def calibrate(logits: Sequence[Tensor], split: Split) -> tuple[list[float], list[float]]:
    """Scales and shifts for networks that know different classes, from their ``logits`` (N, K) on a labelled split.

    Each is divided by the temperature that makes it honest about its own classes (Guo et al. 2017, section 4.2), and
    shifted so that it speaks equally loud, as the logarithm of its summed exponentials, of what it knows and of what it
    does not: halfway between the two medians lies 0.
    """
    scales, shifts = [], []
    for own in logits:
        known = own[0] > UNKNOWN / 2
        is_own = known[split.labels]
        scale = best_temperature(own[is_own][:, known], _among(known, split.labels[is_own]), COLDEST, HOTTEST)
        loudness = (own / scale).logsumexp(1)
        middle = (loudness[is_own].median() + loudness[~is_own].median()) / 2 if (~is_own).any() else 0.0
        scales.append(scale)
        shifts.append(-float(middle))
    return scales, shifts


def _among(known: Tensor, labels: Tensor) -> Tensor:
    """Labels as positions among the known classes."""
    return (known.cumsum(0) - 1)[labels]
