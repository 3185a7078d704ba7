"""Distillation losses, one file each; a loss says what the student matches.

A file holds the loss as a pure function first, then the class with its options. Other losses, from outside the
package, import what they need from here: a base class (:class:`Method`, :class:`WeightedMethod`,
:class:`FeatureMethod` or :class:`EmbeddingMethod`), the options that most losses share, and the inputs of a loss.
"""

from typing import Any

from kd_core.base.namespaces import class_names, plugin_class
from kd_core.methods._base import (
    FAMILIES,
    LABEL_ERROR,
    LABELS,
    LossInputs,
    LossPart,
    LossWeights,
    Method,
    MixedLabels,
    label_part,
    latex_sum,
    log_softmax,
    sum_tensors,
    total_loss,
)
from kd_core.methods._features import EmbeddingMethod, FeatureMethod
from kd_core.methods._weighted import (
    TEMPERATURE_RANGE,
    WeightedMethod,
    label_weight_option,
    soft_weight_option,
    temperature_option,
    weight_option,
)
from kd_core.nn.hooks import EMBEDDING, LOGITS
from kd_core.nn.pairs import Match, Pair

__all__ = [
    "EMBEDDING",
    "FAMILIES",
    "LABELS",
    "LABEL_ERROR",
    "LOGITS",
    "TEMPERATURE_RANGE",
    "EmbeddingMethod",
    "FeatureMethod",
    "LossInputs",
    "LossPart",
    "LossWeights",
    "Match",
    "Method",
    "MixedLabels",
    "Pair",
    "WeightedMethod",
    "label_part",
    "label_weight_option",
    "latex_sum",
    "log_softmax",
    "soft_weight_option",
    "sum_tensors",
    "temperature_option",
    "total_loss",
    "weight_option",
]


def __getattr__(name: str) -> Any:
    return plugin_class("methods", name)


def __dir__() -> list[str]:
    return [*globals(), *class_names("methods")]
