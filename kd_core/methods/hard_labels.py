"""Hard-label distillation, the cross-entropy with the teacher's top class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from kd_core.methods import LossInputs, WeightedMethod, label_weight_option, weight_option


def hard_labels(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Return the cross-entropy in nats of logits (B, K) with the teacher's top class, mean over the batch.

    Touvron et al., "Training data-efficient image transformers & distillation through attention" (2021), section 4,
    equation 3.
    """
    return F.cross_entropy(student_logits, teacher_logits.argmax(1))


@dataclass(frozen=True)
class HardLabels(WeightedMethod):
    title: ClassVar[str] = "Hard labels"
    summary: ClassVar[str] = "Learn the teacher's top class as if it were a label: no logits of the teacher are needed."
    family: ClassVar[str] = "response"
    paper: ClassVar[str] = "Touvron et al. 2021 (DeiT), section 4"
    formula: ClassVar[str] = r"\lambda\,\mathrm{CE}(\text{labels}) + w\,\mathrm{CE}(\arg\max \text{teacher})"
    requires: ClassVar[str] = "the teacher's top class"
    defaults_source: ClassVar[str] = "Equal weights, as in the paper (equation 3)."
    pitfall: ClassVar[str] = "The similarities between classes are lost: nothing depends on a temperature."
    part_name: ClassVar[str] = "CE(teacher)"
    symbol: ClassVar[str] = r"\mathrm{CE}(\text{teacher’s top class})"

    label_weight: float = label_weight_option(0.5)
    weight: float = weight_option(0.5, "the teacher’s top class")

    def distillation_loss(self, signals: LossInputs) -> Tensor:
        return hard_labels(signals.student_logits, signals.teacher_logits)
