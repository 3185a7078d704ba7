"""Binary soft targets with one Bernoulli KL divergence per class, as for multi-label data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from kd_core.methods import LossInputs, WeightedMethod, label_weight_option, temperature_option, weight_option


def binary(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    r"""Return T² · Σ over classes of the KL divergence of two Bernoulli variables, in nats, mean over the batch.

    .. math:: \frac{T^2}{B} \sum_n \sum_k \mathrm{KL}(\sigma(t_{nk}/T) \parallel \sigma(s_{nk}/T))

    Logits (B, K); no gradient reaches the teacher's. The sum over the classes keeps it comparable with soft targets.
    Its gradient is T (σ(s/T) − σ(t/T)) / B, that of cross-entropy with the teacher's probabilities; the teacher's
    entropy is subtracted, so that 0 means equal. The multi-label form of Hinton et al. 2015, section 2.
    """
    scaled, target = student_logits / temperature, teacher_logits.detach() / temperature
    p = target.sigmoid()
    divergence = p * (F.logsigmoid(target) - F.logsigmoid(scaled))
    divergence = divergence + (1 - p) * (F.logsigmoid(-target) - F.logsigmoid(-scaled))
    return temperature**2 * divergence.sum() / len(student_logits)


@dataclass(frozen=True)
class Binary(WeightedMethod):
    title: ClassVar[str] = "Binary soft targets"
    summary: ClassVar[str] = "Match the teacher's probability of every class separately; they need not sum to one."
    family: ClassVar[str] = "response"
    paper: ClassVar[str] = "Hinton, Vinyals & Dean 2015, section 2, with sigmoid for softmax"
    formula: ClassVar[str] = (
        r"\lambda\,\mathrm{CE} + w\,T^2 \textstyle\sum_k \mathrm{KL}(\sigma(t_k/T) \parallel \sigma(s_k/T))"
    )
    requires: ClassVar[str] = "logits of both"
    defaults_source: ClassVar[str] = "Those of soft targets: T 4, weights 0.1 and 0.9."
    pitfall: ClassVar[str] = (
        "Averaged over the classes as well it is K times weaker: check which definition a paper uses."
    )
    part_name: ClassVar[str] = "T²·ΣKL"
    needs_several_classes: ClassVar[bool] = True
    per_class_probabilities: ClassVar[bool] = True

    label_weight: float = label_weight_option(0.1)
    temperature: float = temperature_option(4.0, "Divides the logits of both networks before the sigmoid or softmax.")
    weight: float = weight_option(0.9, "the binary soft targets")

    def latex_term(self) -> str:
        return rf"{self.temperature:g}^2 \cdot \textstyle\sum_k \mathrm{{KL}}_k"

    def distillation_loss(self, signals: LossInputs) -> Tensor:
        return binary(signals.student_logits, signals.teacher_logits, self.temperature)
