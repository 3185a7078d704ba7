"""Binary soft targets: every class is a yes-or-no question of its own, as for examples with several labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from kd_core.methods import Method, Part, Signals, label_part, sum_of
from kd_core.options import number


def binary(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    r"""T² · Σ over classes of the KL divergence of two Bernoulli variables, in nats, mean over the batch.

    .. math:: \frac{T^2}{B} \sum_n \sum_k \mathrm{KL}(\sigma(t_{nk}/T) \parallel \sigma(s_{nk}/T))

    Logits (B, K); no gradient reaches the teacher's. The sum over the classes keeps it comparable with soft targets. Its
    gradient is T (σ(s/T) − σ(t/T)) / B, that of cross-entropy with the teacher's probabilities; the teacher's own entropy
    is taken off, so that 0 means equal. The multi-label form of Hinton et al. 2015, section 2.
    """
    scaled, target = student_logits / temperature, teacher_logits.detach() / temperature
    yes = target.sigmoid()
    divergence = yes * (F.logsigmoid(target) - F.logsigmoid(scaled))
    divergence = divergence + (1 - yes) * (F.logsigmoid(-target) - F.logsigmoid(-scaled))
    return temperature**2 * divergence.sum() / len(student_logits)


@dataclass(frozen=True)
class Binary(Method):
    title: ClassVar[str] = "Binary soft targets"
    idea: ClassVar[str] = "Learn the teacher's yes or no to every class separately; the probabilities need not sum to one."
    family: ClassVar[str] = "response"
    paper: ClassVar[str] = "Hinton, Vinyals & Dean 2015, section 2, with sigmoid for softmax"
    formula: ClassVar[str] = (
        r"(1-\alpha)\,\mathrm{CE} + \alpha\,T^2 \textstyle\sum_k \mathrm{KL}(\sigma(t_k/T) \parallel \sigma(s_k/T))"
    )
    trap: ClassVar[str] = "Averaged over the classes as well it is K times weaker: check which one a paper means."

    temperature: float = number(
        4.0, 0.5, 20.0, "Divides the logits of both networks before the sigmoid.", step=0.1, label="Temperature T",
        ends=("sharper than trained", "almost undecided"), live=True, log=True,
    )  # fmt: skip
    alpha: float = number(
        0.9, 0.0, 1.0, "The teacher's weight in the loss; the labels get the rest.",
        step=0.01, label="Teacher weight α", ends=("labels only", "teacher only"), live=True,
    )  # fmt: skip

    def in_numbers(self) -> str:
        matched = rf"{self.temperature:g}^2 \cdot \textstyle\sum_k \mathrm{{KL}}_k"
        return sum_of((1 - self.alpha, r"\mathrm{CE}"), (self.alpha, matched))

    def parts(self, signals: Signals) -> list[Part]:
        matched = binary(signals.student_logits, signals.teacher_logits, self.temperature)
        return [
            label_part(signals.student_logits, signals.labels, 1 - self.alpha),
            Part("T²·ΣKL", self.alpha, matched),
        ]
