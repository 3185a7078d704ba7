"""Hard labels: the student learns the teacher's top class, all that a teacher behind an interface may tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from kd_core.methods import Method, Part, Signals, label_part, sum_of
from kd_core.options import number


def hard_labels(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Cross-entropy in nats of the student's logits (B, K) with the teacher's top class, mean over the batch.

    Touvron et al., "Training data-efficient image transformers & distillation through attention" (2021), section 4,
    equation 3.
    """
    return F.cross_entropy(student_logits, teacher_logits.argmax(1))


@dataclass(frozen=True)
class HardLabels(Method):
    title: ClassVar[str] = "Hard labels"
    idea: ClassVar[str] = "Learn the teacher's top class as if it were a label: no logits of the teacher are needed."
    family: ClassVar[str] = "response"
    paper: ClassVar[str] = "Touvron et al. 2021 (DeiT), section 4"
    formula: ClassVar[str] = r"(1-\alpha)\,\mathrm{CE}(\text{labels}) + \alpha\,\mathrm{CE}(\arg\max \text{teacher})"
    trap: ClassVar[str] = "What the teacher finds similar is gone: nothing here depends on a temperature."

    alpha: float = number(
        0.5, 0.0, 1.0, "The teacher's weight in the loss; the labels get the rest.",
        step=0.01, label="Teacher weight α", ends=("labels only", "teacher only"), live=True,
    )  # fmt: skip

    def in_numbers(self) -> str:
        return sum_of(
            (1 - self.alpha, r"\mathrm{CE}(\text{labels})"), (self.alpha, r"\mathrm{CE}(\text{teacher’s top class})")
        )

    def parts(self, signals: Signals) -> list[Part]:
        matched = hard_labels(signals.student_logits, signals.teacher_logits)
        return [
            label_part(signals.student_logits, signals.labels, 1 - self.alpha),
            Part("CE(teacher)", self.alpha, matched),
        ]
