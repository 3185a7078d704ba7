"""A virtual teacher: no network, but a distribution made up from the label, used as if a teacher had given it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from kd_core.methods import Method, Part, Signals, label_part, sum_of
from kd_core.options import choice, number

REPOSITORY, PAPER = "repository", "paper"


def virtual_teacher(
    student_logits: Tensor,
    labels: Tensor,
    correct_probability: float,
    temperature: float,
    convention: str = REPOSITORY,
) -> Tensor:
    r"""KL divergence of a made-up teacher from the student, in nats, mean over the batch (B) and the classes (K).

    The made-up teacher gives ``correct_probability`` to the label and the rest evenly to the other classes; these
    probabilities are then softened like logits, softmax(u / T). In the authors' ``repository`` the student is not
    softened; in the ``paper`` (equation 9) it is. Logits (B, K), labels (B,). Yuan et al., "Revisiting Knowledge
    Distillation via Label Smoothing Regularization" (2020), section 5.
    """
    classes = student_logits.shape[1]
    made_up = torch.full_like(student_logits, (1 - correct_probability) / (classes - 1))
    made_up = made_up.scatter(1, labels[:, None], correct_probability)
    log_p = F.log_softmax(made_up / temperature, dim=1)
    log_q = F.log_softmax(student_logits / (temperature if convention == PAPER else 1.0), dim=1)
    return F.kl_div(log_q, log_p, reduction="sum", log_target=True) / student_logits.numel()


@dataclass(frozen=True)
class VirtualTeacher(Method):
    title: ClassVar[str] = "Virtual teacher (Tf-KD)"
    idea: ClassVar[str] = "No teacher: make up a sure one from the label, soften it, and learn from that."
    family: ClassVar[str] = "teacher-free"
    paper: ClassVar[str] = "Yuan et al. 2020, section 5"
    formula: ClassVar[str] = r"(1-\alpha)\,\mathrm{CE} + \alpha\,m\,\mathrm{KL}(\mathrm{softmax}(u/T) \parallel \text{student})"
    trap: ClassVar[str] = (
        "Probabilities softened like logits are almost uniform at T = 20: it is label smoothing, with m as its strength."
    )

    temperature: float = number(
        20.0, 0.5, 100.0, "Softens the made-up probabilities.", step=0.5, label="Temperature T", live=True, log=True
    )  # fmt: skip
    alpha: float = number(
        0.1, 0.0, 1.0, "The virtual teacher's weight in the loss; the labels get the rest.", step=0.01,
        label="Virtual teacher’s weight α", ends=("labels only", "virtual teacher only"), live=True,
    )  # fmt: skip
    multiplier: float = number(100.0, 0.0, 1000.0, "Strength m: makes up for the mean over the classes.", step=1.0)
    correct_probability: float = number(0.99, 0.5, 1.0, "Probability of the label before softening.", step=0.01)
    convention: str = choice(
        REPOSITORY, (REPOSITORY, PAPER), "The authors' code leaves the student as it is; their paper softens it, too."
    )

    def in_numbers(self) -> str:
        matched = rf"{self.multiplier:g} \cdot \mathrm{{KL}}(\mathrm{{softmax}}(u/{self.temperature:g}) \parallel \text{{student}})"
        return sum_of((1 - self.alpha, r"\mathrm{CE}"), (self.alpha, matched))

    def parts(self, signals: Signals) -> list[Part]:
        made_up = virtual_teacher(
            signals.student_logits, signals.labels, self.correct_probability, self.temperature, self.convention
        )
        return [
            label_part(signals.student_logits, signals.labels, 1 - self.alpha),
            Part("KL(virtual)", self.alpha * self.multiplier, made_up),
        ]
